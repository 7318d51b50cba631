"""BibTeX of the procedures, for `--cite`."""

from __future__ import annotations

from equilibria.systems.procedures import PROCEDURES

ENTRIES = {
    "chen2021simsiam": """@inproceedings{chen2021simsiam,
  title = {Exploring Simple Siamese Representation Learning},
  author = {Chen, Xinlei and He, Kaiming},
  booktitle = {CVPR}, year = {2021}, eprint = {2011.10566}, archivePrefix = {arXiv}}""",
    "grill2020byol": """@inproceedings{grill2020byol,
  title = {Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning},
  author = {Grill, Jean-Bastien and others},
  booktitle = {NeurIPS}, year = {2020}, eprint = {2006.07733}, archivePrefix = {arXiv}}""",
    "tian2021understanding": """@inproceedings{tian2021understanding,
  title = {Understanding Self-Supervised Learning Dynamics without Contrastive Pairs},
  author = {Tian, Yuandong and Chen, Xinlei and Ganguli, Surya},
  booktitle = {ICML}, year = {2021}, eprint = {2102.06810}, archivePrefix = {arXiv}}""",
    "ponce2025dual": """@misc{ponce2025dual,
  title = {Dual Perspectives on Non-Contrastive Self-Supervised Learning},
  author = {Ponce, Jean and Terver, Basile and Hebert, Martial and Arbel, Michael},
  year = {2025}, eprint = {2507.01028}, archivePrefix = {arXiv}}""",
    "wang2021directset": """@misc{wang2021directset,
  title = {Towards Demystifying Representation Learning with Non-contrastive Self-supervision},
  author = {Wang, Xiang and Chen, Xinlei and Du, Simon S. and Tian, Yuandong},
  year = {2021}, eprint = {2110.04947}, archivePrefix = {arXiv}}""",
    "haochen2021spectral": """@inproceedings{haochen2021spectral,
  title = {Provable Guarantees for Self-Supervised Deep Learning with Spectral Contrastive Loss},
  author = {HaoChen, Jeff Z. and Wei, Colin and Gaidon, Adrien and Ma, Tengyu},
  booktitle = {NeurIPS}, year = {2021}}""",
}

LINEAR_THEORY = ("tian2021understanding", "ponce2025dual")


def citations(procedure: str) -> str:
    """Return BibTeX entries for a procedure and for the linear theory."""
    own = PROCEDURES[procedure].reference if procedure in PROCEDURES else ""
    keys = dict.fromkeys(key for key in (own, *LINEAR_THEORY) if key)
    return "\n\n".join(ENTRIES[key] for key in keys)
