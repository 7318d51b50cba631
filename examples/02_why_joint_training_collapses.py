"""Both branches trained on one loss: why is there nothing but collapse?"""

import argparse

import equilibria as eq

argparse.ArgumentParser(description=__doc__).parse_args()
moments = eq.Moments.commuting(signal=[1, "3/4"], noise="1/4")
for name in ("joint", "stop-gradient"):
    report = eq.analyze(eq.Model(procedure=name, moments=moments))
    print(f"{name}: {report.summary.text}")
    print(f"    {report.variety.why}")
    print(f"    {report.gradient.flow.reason} [{report.gradient.flow.how}]")
