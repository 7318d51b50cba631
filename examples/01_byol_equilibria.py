"""Which equilibria does BYOL's linear model have, and which survive a larger step size?"""

import argparse

import equilibria as eq

argparse.ArgumentParser(description=__doc__).parse_args()
moments = eq.Moments.commuting(signal=[1, "3/4"], noise="1/4")
for step in ("1/10", "1", "2"):
    report = eq.analyze(eq.Model(procedure="ema", ema="0.99", lr=step, moments=moments))
    print(f"h = {step:5} {report.summary.text}")

top = report.component("rank2:1+,2+")
print(f"rank2:1+,2+ is stable for every h below {top.map.largest_step:.4f} [{top.map.how}]")
