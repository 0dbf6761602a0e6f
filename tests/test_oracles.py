# SPDX-License-Identifier: Apache-2.0
"""Values and gradients of every loss against its float64 reference, in every way of running it."""

from __future__ import annotations

from cases import GENERATORS, Case, every_case, every_case_in
from oracles import ORACLES
from support import MODES

from tfloss_ext import registry


def test_every_loss_has_a_reference_and_cases():
    assert set(registry.classes()) == set(ORACLES) == set(GENERATORS)


@every_case()
def test_values(case: Case):
    case.check("oracle", MODES[:1])


@every_case_in(MODES)
def test_gradient_is_the_slope_of_the_reference(case: Case, mode: str):
    case.check("oracle_gradient", [mode])
