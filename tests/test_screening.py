# SPDX-License-Identifier: Apache-2.0
"""A target that says nothing is never silently free: it is refused, or makes its value NaN, and can be looked for."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from cases import Case, cases, every_case
from support import BACKEND, MODES, to_numpy

import tfloss_ext
from tfloss_ext import check_targets, registry, screening
from tfloss_ext.base import ClassLoss

FREE = (tfloss_ext.Loss.screen, tfloss_ext.Boundary.screen)
SCREENED = sorted(key for key, cls in registry.classes().items() if cls.screen not in FREE)
COMPILED = [mode for mode in MODES if mode != "eager"]


def shape_of(case: Case) -> tuple[int, ...]:
    """That of the predictions with the classes last."""
    return case.y_pred.shape[:2] if case.key == "soft_triple" else case.y_pred.shape


def is_dense(case: Case) -> bool:
    return case.y_true.shape == shape_of(case) and case.y_pred.ndim > 1 and case.key != "coral"


def width(case: Case) -> int:
    return shape_of(case)[-1] if case.y_pred.ndim > 1 else 1


def spoilt(case: Case) -> list[np.ndarray]:
    """The targets of a case with one in the first sample that says nothing, in each way that there is."""
    y, loss = case.y_true, case.loss()
    whole, ignored = y.dtype.kind in "iu", getattr(loss, "ignore_class", None)
    if is_dense(case) and ignored in range(width(case)):
        return []  # Where the largest share is that of the ignored class, the rest may be anything.
    if is_dense(case) or not isinstance(loss, ClassLoss) or width(case) == 1:
        wrong = [255, -1] if whole else [255.0, -0.01, 1.01]
    else:
        classes = loss.classes(np.zeros((*shape_of(case), 1) if case.y_pred.ndim == 1 else shape_of(case)))
        wrong = [classes, -1, 100] if whole else [classes, -1.0, 0.5]
    found = []
    for value in wrong:
        fits = y.dtype.kind == "f" or (y.dtype.kind != "b" and np.iinfo(y.dtype).min <= value <= np.iinfo(y.dtype).max)
        if fits and ignored != value:
            found.append(np.array(y))
            found[-1][(0,) * y.ndim] = value
    return found


def compiled(loss, mode: str):
    """The loss in a graph or compiled, where nothing can be seen."""
    if BACKEND == "jax":
        import jax

        return jax.jit(loss)
    import tensorflow as tf

    return tf.function(loss, jit_compile=mode == "xla", autograph=False)


def test_every_loss_over_classes_screens_its_targets():
    classes = {key for key, cls in registry.classes().items() if issubclass(cls, ClassLoss)}
    assert classes - set(SCREENED) == {"boundary"}
    assert len(SCREENED) > 25


@every_case(thin=True)
def test_what_is_seen_raises_and_names_the_loss_and_the_value(case):
    if case.key not in SCREENED:
        pytest.skip("any target says something")
    for y_true in spoilt(case):
        for given in (y_true, keras.ops.convert_to_tensor(y_true)):
            with pytest.raises(ValueError, match=f"^{type(case.loss()).__name__}: Expected (ids|targets)") as caught:
                case.loss()(given, case.y_pred)
            shown = re.search(r"Received: (\S+) at y_true\[0", str(caught.value))
            np.testing.assert_allclose(float(shown[1]), y_true[(0,) * y_true.ndim], rtol=1e-6)


@pytest.mark.skipif(not COMPILED, reason="a backend that always sees")
@pytest.mark.parametrize("mode", COMPILED)
@pytest.mark.parametrize("key", SCREENED)
def test_what_is_not_seen_makes_its_value_nan_and_no_other(key, mode):
    case = cases(key)[0]
    loss = case.loss(reduction=None)
    expected = to_numpy(loss(case.y_true, case.y_pred.astype("float32")))
    for y_true in spoilt(case)[:2]:
        values = to_numpy(compiled(loss, mode)(y_true, case.y_pred.astype("float32")))
        assert np.isnan(values[0]).any()
        if not loss.couples:
            np.testing.assert_allclose(values[1:], expected[1:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("key", SCREENED)
def test_a_sample_of_weight_zero_may_hold_anything(key, mode):
    case = next(case for case in cases(key) if len(case.y_pred) > 1)
    loss = case.loss(reduction="sum")
    weight = np.arange(len(case.y_pred)).clip(0, 1).astype("float32")
    run = loss if mode == "eager" else compiled(loss, mode)
    expected = to_numpy(run(case.y_true, case.y_pred.astype("float32"), weight))
    for y_true in spoilt(case):
        found = to_numpy(run(y_true, case.y_pred.astype("float32"), weight))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("key", [key for key in SCREENED if "ignore_class" in registry.classes()[key]._fields])
def test_ignored_positions_may_hold_anything(key):
    for case in cases(key):
        if is_dense(case) or case.y_true.dtype.kind != "i" or width(case) == 1 or "ignore_class" in case.parameters:
            continue
        y_true = np.array(case.y_true)
        y_true[:1] = 255
        loss = case.loss(ignore_class=255)
        weight = np.arange(len(y_true)).clip(0, 1).astype("float32")
        values = to_numpy(loss(y_true, case.y_pred))
        assert np.isfinite(values)
        if not loss.couples and key not in ("cl_dice",):
            np.testing.assert_allclose(
                to_numpy(case.loss(ignore_class=255, reduction="sum")(y_true, case.y_pred)),
                to_numpy(case.loss(ignore_class=255, reduction="sum")(case.y_true, case.y_pred, weight)),
                rtol=1e-5,
                atol=1e-6,
            )


def test_a_mask_of_255_is_named_as_such():
    mask = np.array([[[0, 255], [255, 0]]])
    with pytest.raises(
        ValueError, match=r"Dice: Expected targets in \[0, 1\].*255 .*divide a mask of 0 and 255 by 255"
    ):
        tfloss_ext.Dice()(mask, np.full((1, 2, 2, 1), 0.5))


def test_ids_from_one_are_named_as_such():
    with pytest.raises(ValueError, match=r"Expected ids of 3 classes, 0 to 2. Received: 3 .*: ids begin at 0"):
        tfloss_ext.Poly1()([1, 2, 3], np.full((3, 3), 1 / 3))


def test_floats_are_ids_only_where_they_are_whole():
    p = np.full((2, 3), 0.4, "float32")
    with pytest.raises(ValueError, match=r"Focal: Expected ids of 3 classes, 0 to 2. Received: 0.7"):
        tfloss_ext.Focal()(np.array([[0.7], [1.9]]), p)
    expected = to_numpy(tfloss_ext.Focal()(np.array([0, 1]), p))
    np.testing.assert_allclose(to_numpy(tfloss_ext.Focal()(np.array([[0.0], [1.0]]), p)), expected)


def test_rounding_beyond_zero_and_one_is_allowed():
    y = np.array([[-0.0009, 1.0009]], "float32")
    assert np.isfinite(to_numpy(tfloss_ext.Focal()(y, np.full((1, 2), 0.5, "float32"))))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_boundary_refuses_masks(dtype):
    with pytest.raises(ValueError, match=f"Boundary: Expected signed distance maps.* y_true of {dtype}"):
        tfloss_ext.Boundary()(np.ones((1, 4, 4, 1), dtype), np.full((1, 4, 4, 1), 0.5, "float32"))


def test_fit_shows_a_wrong_label_as_nan_and_padding_under_weight_zero_as_nothing():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    model.compile("sgd", tfloss_ext.CategoricalFocal(from_logits=True))
    x, y = np.ones((6, 2), "float32"), np.array([0, 1, 2, 0, 1, -1])
    weight = np.array([1, 1, 1, 1, 1, 0], "float32")
    assert np.isfinite(model.fit(x, y, sample_weight=weight, verbose=0).history["loss"]).all()
    if BACKEND == "torch":
        with pytest.raises(ValueError, match="Received: -1 at y_true"):
            model.fit(x, y, verbose=0)
    else:
        assert np.isnan(model.fit(x, y, verbose=0).history["loss"]).all()
    with pytest.raises(ValueError, match=r"Received: -1 at y_true\[5\]"):
        check_targets(model.loss, y, classes=3)
    check_targets(model.loss, y, classes=3, sample_weight=weight)


# check_targets


@every_case(thin=True)
def test_the_targets_of_every_case_pass(case):
    check_targets(case.loss(), case.y_true, classes=width(case))
    check_targets(case.loss(), case.y_true)


@pytest.mark.parametrize("key", SCREENED)
def test_what_a_loss_refuses_is_found(key):
    for case in cases(key):
        for y_true in spoilt(case):
            with pytest.raises(ValueError, match=rf"^{type(case.loss()).__name__}: Expected .* at y_true\[0"):
                check_targets(case.loss(), y_true, classes=width(case))


@pytest.mark.parametrize(
    ("loss", "y_true", "more", "message"),
    [
        (
            "dice_loss",
            [[0, 255], [255, 0]],
            {},
            r"Dice: Expected ids, or a mask of 0 and 1.* 255 .* and 1 more",
        ),
        (tfloss_ext.LDAM([5, 3, 1]), [0, 3], {}, "LDAM: Expected ids of 3 classes, 0 to 2. Received: 3"),
        (tfloss_ext.Poly1(), [0.0, 1.5], {}, r"Poly1: Expected targets in \[0, 1\]. Received: 1.5"),
        (tfloss_ext.Poly1(), [0, -1], {}, "Received: -1 at y_true.1."),
        ("boundary", np.ones((1, 2, 2, 1), int), {}, "Boundary: Expected signed distance maps, of floats"),
        ("log_cosh_loss", [1.0, np.nan], {}, "LogCosh: Expected finite targets. Received: nan"),
        ("coral", [0, 3], {"classes": 2}, "Coral: Expected ids of 3 classes, 0 to 2"),
        ("contrastive", [1, -1], {}, r"Contrastive: Expected targets in \[0, 1\]. Received: -1"),
        (
            {"a": "focal", "b": "poly1", "c": "mse"},
            {"a": np.array([[2.0]]), "b": np.array([3]), "c": np.array([np.nan])},
            {"classes": {"a": 1, "b": 3}},
            r"^'a': Focal: .* 2.0 at y_true\[0, 0\].*\n'b': Poly1: Expected ids of 3 classes.* 3 at y_true\[0\]",
        ),
        ("focal", [np.array([[2.0]]), np.array([[0.0]])], {"classes": 1}, "^0: Focal"),
    ],
)
def test_faults_are_told(loss, y_true, more, message):
    y_true = np.array(y_true) if isinstance(y_true, list) and not hasattr(y_true[0], "shape") else y_true
    with pytest.raises(ValueError, match=message):
        check_targets(loss, y_true, **more)


@pytest.mark.parametrize(
    ("loss", "y_true", "more"),
    [
        (tfloss_ext.LogCosh(ignore_nan=True), [1.0, np.nan], {}),
        (tfloss_ext.Dice(ignore_class=255), [[0, 255], [2, 1]], {"classes": 3}),
        (tfloss_ext.Poly1(ignore_class=-1), [0, -1], {"classes": 2}),
        ("poly1", [0, 7], {"classes": 3, "sample_weight": np.array([1.0, 0.0])}),
        ("triplet", [5, 2**40], {}),
        (keras.losses.MeanSquaredError(), [np.nan, 0.0], {}),
    ],
)
def test_what_may_be_passes(loss, y_true, more):
    check_targets(loss, np.array(y_true), **more)


def batches():
    y = np.array([0, 1, 2, 0, 5, 2, 1, -1])
    weight = np.array([1, 1, 1, 1, 0, 1, 1, 1.0])
    for i in range(0, 8, 4):
        yield np.ones((4, 2)), y[i : i + 4], weight[i : i + 4]


@pytest.mark.tensorflow
def test_a_dataset_is_looked_through_batch_by_batch():
    import tensorflow as tf

    x, y, weight = (np.concatenate(parts) for parts in zip(*batches(), strict=True))
    data = tf.data.Dataset.from_tensor_slices((x, y, weight)).batch(4)
    with pytest.raises(ValueError, match=r"Received: -1 at y_true\[3\] of batch 1$"):
        check_targets("poly1", data, classes=3)
    with pytest.raises(ValueError, match=r"Received: 5 at y_true\[0\] of batch 1 and 1 more$"):
        check_targets("poly1", data.map(lambda x, y, w: (x, y)), classes=3)
    check_targets(tfloss_ext.Poly1(ignore_class=-1), data, classes=3)


def test_other_sources_of_batches_are_looked_through():
    class Data(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return list(batches())[index]

    for data in (Data(), batches(), iter(batches())):
        with pytest.raises(ValueError, match=r"Received: -1 at y_true\[3\] of batch 1$"):
            check_targets("poly1", data, classes=3)
    with pytest.raises(ValueError, match="Expected batches"):
        check_targets("poly1", iter([np.ones(3)]), classes=3)


def test_only_what_is_there_is_seen():
    assert screening.seen(keras.ops.convert_to_tensor([1.0])) is not None
    assert screening.seen(keras.ops.convert_to_tensor([1.0])).tolist() == [1.0]
