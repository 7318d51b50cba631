"""What is computed in: the same on every CPU, slow choices are said, and the record names it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from empirical.networks import precision  # noqa: E402
from empirical.networks.precision import cpu_flags, multiplies_bf16, precision_on  # noqa: E402
from empirical.networks.session import train_as_typed  # noqa: E402

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
AVX2 = "flags\t\t: fpu sse2 avx avx2 fma bmi2"
MACHINES = {
    AVX2: False,
    AVX2 + " avx512f avx512_vnni": False,
    AVX2 + " avx512f avx512_bf16": True,
    AVX2 + " avx512f amx_bf16 amx_tile": True,
    "Features\t: fp asimd sve bf16 i8mm": True,
    "Features\t: fp asimd crc32": False,
    "model name\t: bf16 amx_bf16": False,
    "": False,
}


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch):
    """Return what makes this CPU have the features of a line of /proc/cpuinfo."""

    def become(line: str, tmp: Path) -> None:
        (tmp / "cpuinfo").write_text(f"processor\t: 0\n{line}\nbugs\t\t: none\n")
        flags = cpu_flags(tmp / "cpuinfo")
        monkeypatch.setattr(precision, "cpu_flags", lambda: flags)

    return become


@pytest.mark.parametrize(("line", "fast"), MACHINES.items(), ids=str)
def test_a_cpu_without_the_instructions_is_warned_of(line, fast, cpu, tmp_path) -> None:
    cpu(line, tmp_path)
    assert multiplies_bf16(CPU) is fast
    assert precision_on(CPU, "auto") == "fp32"  # on every CPU: one setting, one model
    assert precision_on(CPU, "fp64") == "fp64"
    if fast:
        assert precision_on(CPU, "bf16") == "bf16"  # a warning would be an error here
        return
    with pytest.warns(
        UserWarning, match=r"--precision bf16: this CPU .* no AMX|AMX or AVX512-BF16"
    ):
        assert precision_on(CPU, "bf16") == "bf16"


def test_a_system_that_lists_no_features_has_none(tmp_path) -> None:
    assert cpu_flags(tmp_path / "none") == set()


@pytest.mark.parametrize(
    ("capability", "chosen"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")]
)
def test_a_gpu_chooses_bf16_where_it_multiplies_it(capability, chosen, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precision_on(GPU, "auto") == chosen
    if chosen == "fp32":
        with pytest.warns(UserWarning, match="this GPU has no instructions"):
            assert precision_on(GPU, "bf16") == "bf16"


@pytest.mark.parametrize("asked", [None, "bf16", "fp64"])
def test_the_record_names_what_was_chosen(asked, cpu, tmp_path) -> None:
    cpu(AVX2 + " amx_bf16", tmp_path)
    folder = tmp_path / "run"
    result = train_as_typed(
        steps="2", batch_size="16", curl=False, threads="1", device="cpu", precision=asked,
        out=str(folder),
    )  # fmt: skip
    chosen = asked or "fp32"
    config = tomllib.loads((folder / "config.toml").read_text())
    summary = json.loads((folder / "summary.json").read_text())
    assert (config["precision"], summary["precision"]) == (chosen, chosen)
    assert f"({chosen})" in "\n".join(result.lines)
