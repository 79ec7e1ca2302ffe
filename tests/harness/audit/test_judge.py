"""A judge's verdicts over a run."""

from math import isnan

from prsbench.harness.audit.judge import audit_judge, line_of


class Agreeable:
    def complete(self, prompts):
        return ["yes"] * len(prompts)


def test_every_method_is_judged_and_its_agreement_with_the_parser_is_reported(finished):
    rows = {row.method: row for row in audit_judge(finished, Agreeable())}
    assert set(rows) == {"bright", "trained", "echo"}
    assert (rows["echo"].yes_of_judge, rows["echo"].n_read, rows["echo"].n) == (1.0, 10, 10)
    assert isnan(rows["echo"].kappa)  # the stand-ins' references name half images, which the parser does not read
    assert "yes by the judge 1.000" in line_of(rows["echo"])
