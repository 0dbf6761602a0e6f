# SPDX-License-Identifier: Apache-2.0
"""What a declaration becomes, what one that is wrong says, and losses that are written as in Keras."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import keras
import numpy as np
import pytest
from cases import required
from keras import ops
from support import to_numpy

import tfloss_ext
from tfloss_ext import choice, flag, number, numbers, registry, whole

every_loss = pytest.mark.parametrize("key", sorted(registry.classes()))

# The positional parameters of every class, in their order and with their defaults, as the catalogue has them.
SIGNATURES = """
    ArcFace(margin=0.5, scale=64.0)
    Asymmetric(gamma_neg=4.0, gamma_pos=1.0, clip=0.05, from_logits=False)
    BarlowTwins(redundancy=0.005)
    BiTempered(t1=0.8, t2=1.2, label_smoothing=0.0)
    Boundary()
    CIoU()
    CategoricalFocal(gamma=2.0, alpha=None, from_logits=False, label_smoothing=0.0, ignore_class=None)
    Charbonnier(epsilon=0.001)
    Circle(gamma=80.0, margin=0.4)
    ClDice(iterations=3, alpha=0.5)
    Contrastive(margin=1.0, distance='l2')
    Coral()
    CosFace(margin=0.35, scale=64.0)
    DIoU()
    Dice(squared=False)
    DiceCrossentropy(dice_weight=1.0, crossentropy_weight=1.0)
    DiceFocal(dice_weight=1.0, focal_weight=1.0, gamma=2.0, alpha=None)
    Expectile(tau=0.5)
    Focal(gamma=2.0, alpha=0.25, from_logits=False, label_smoothing=0.0)
    FocalTversky(alpha=0.3, beta=0.7, gamma=1.3333333333333333)
    GIoU()
    GaussianNLL(beta=0.0, full=False)
    GeneralRobust(alpha=1.0, scale=1.0)
    GeneralizedCrossentropy(q=0.7, from_logits=False)
    GeneralizedDice(weighting='square')
    InfoNCE(temperature=0.07, symmetric=True)
    IoU()
    Jaccard()
    LDAM(samples_per_class, max_margin=0.5, scale=30.0)
    LiftedStructure(margin=1.0, distance='l2')
    LogCosh()
    LogitAdjusted(class_priors, tau=1.0, ignore_class=None)
    Lovasz()
    MCC()
    MultiSimilarity(alpha=2.0, beta=50.0, base=0.5, epsilon=0.1)
    NPairs()
    NTXent(temperature=0.5)
    NegativeCosine()
    Poly1(epsilon=1.0, from_logits=False, label_smoothing=0.0, ignore_class=None)
    ProxyAnchor(margin=0.1, alpha=32.0)
    QualityFocal(beta=2.0, from_logits=False)
    Quantile(quantiles=0.5)
    SigLIP(temperature=0.1, bias=-10.0)
    SoftTriple(scale=20.0, gamma=0.1, margin=0.01)
    Sparsemax()
    SupCon(temperature=0.1)
    SymmetricCrossentropy(alpha=0.1, beta=1.0, from_logits=False)
    Triplet(margin=1.0, mining='semi_hard', distance='l2', soft_margin=False, swap=False)
    Tversky(alpha=0.3, beta=0.7)
    Tweedie(power=1.5)
    UnifiedFocal(weight=0.5, delta=0.6, gamma=0.5)
    Varifocal(alpha=0.75, gamma=2.0, from_logits=False)
    VICReg(invariance=25.0, variance=25.0, covariance=1.0)
    WeightedKappa(weighting='quadratic', epsilon=1e-06)
    WeightedMSE(weight=1.0)
"""
SIGNATURES = {line.split("(")[0].strip(): line.strip() for line in SIGNATURES.strip().splitlines()}
X = np.array([[0.2, 0.7], [0.4, 0.1]], "float32")
Y = np.array([[0.0, 1.0], [1.0, 0.0]], "float32")


@pytest.fixture(autouse=True)
def _names_left_as_they_were():
    before = {name: list(owners) for name, owners in registry._owners.items()}
    yield
    for name, owners in list(registry._owners.items()):
        for _ in owners[len(before.get(name, ())) :]:
            registry.unregister(name)


# Signatures


@every_loss
def test_positional_are_the_parameters_of_the_catalogue_in_its_order(key):
    cls = registry.classes()[key]
    positional = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    found = ", ".join(str(parameter).replace(" = ", "=") for parameter in positional)
    assert f"{cls.__name__}({found})" == SIGNATURES[cls.__name__]


def test_no_signature_of_the_catalogue_is_missing():
    assert set(SIGNATURES) == {cls.__name__ for cls in registry.classes().values()}


@every_loss
def test_the_docstring_lists_the_parameters_in_the_order_of_the_signature(key):
    cls = registry.classes()[key]
    arguments = cls.__doc__.split("Args:")[1].split("\n\n")[0]
    documented = re.findall(r"^ {4}(\w+):", arguments, flags=re.MULTILINE)
    names = list(inspect.signature(cls).parameters)
    positional = [name for name in documented if names.index(name) < len(_positional(cls))]
    assert positional == _positional(cls)
    assert set(documented) == set(names)


def _positional(cls: type) -> list[str]:
    parameters = inspect.signature(cls).parameters.values()
    return [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]


@every_loss
def test_parameters_can_be_given_by_position(key):
    cls = registry.classes()[key]
    usual = tfloss_ext.get(key, **required(key))
    values = [getattr(usual, name) for name in _positional(cls)]
    assert cls(*values).get_config() == usual.get_config()
    with pytest.raises(TypeError, match="too many positional arguments"):
        cls(*values, 0)


def test_the_margin_of_triplet_comes_first():
    assert tfloss_ext.Triplet(0.5).margin == 0.5


# Losses written as in Keras


class Sharper(tfloss_ext.Focal):
    """The recipe that Keras documents: an `__init__` and a `get_config` of one's own."""

    def __init__(self, k=1.0, **kwargs):
        super().__init__(**kwargs)
        self.k = k

    def call(self, y_true, y_pred):
        return self.k * super().call(y_true, y_pred)

    def get_config(self):
        return {**super().get_config(), "k": self.k}


class Distance(tfloss_ext.Loss):
    """The same from the base, with the arguments that Keras's own base takes."""

    def __init__(self, power=2.0, name="distance", reduction="sum_over_batch_size"):
        super().__init__(name, reduction)
        self.power = power

    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)

    def get_config(self):
        return {**super().get_config(), "power": self.power}


@pytest.fixture(params=[Sharper, Distance])
def own(request) -> type:
    return keras.saving.register_keras_serializable("mine")(request.param)


def test_a_loss_with_an_init_of_its_own_trains_and_is_shown(own):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="sigmoid")(inputs))
    model.compile("sgd", own())
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"]).all()
    assert repr(own()) == f"{own.__name__}()" or own is Distance
    assert "2.5" in repr(own(2.5))


def test_it_saves_and_copies(own, tmp_path):
    loss = own(2.5, name="mine")
    for other in (own.from_config(loss.get_config()), copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert type(other) is own
        assert other.get_config() == loss.get_config()
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="sigmoid")(inputs))
    model.compile("sgd", loss)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.isclose(again.evaluate(X, Y, verbose=0), model.evaluate(X, Y, verbose=0))


def test_its_value_is_that_of_its_formula():
    np.testing.assert_allclose(to_numpy(Sharper(3.0, gamma=1.0)(Y, X)), 3 * to_numpy(tfloss_ext.Focal(1.0)(Y, X)))
    np.testing.assert_allclose(to_numpy(Distance(1.0)(Y, X)), np.abs(X - Y).mean(), rtol=1e-6)


def test_what_inherits_from_it_keeps_its_init():
    class Sharpest(Sharper):
        pass

    loss = Sharpest(2.0, gamma=1.0)
    assert (loss.k, loss.gamma) == (2.0, 1.0)


def test_a_key_is_the_default_name_beside_an_init_of_its_own():
    class Five(tfloss_ext.Loss, key="w5"):
        def __init__(self, w=1.0, **kwargs):
            super().__init__(**kwargs)
            self.w = w

        def call(self, y_true, y_pred):
            return self.w * ops.mean(ops.square(y_true - y_pred), axis=-1)

        def get_config(self):
            return {**super().get_config(), "w": self.w}

    assert [Five().name, Five().name, Five(name="mine").name] == ["w5", "w5", "mine"]
    assert repr(keras.losses.get("w5")) == "Five()"
    assert repr(Five(3.0)) == "Five(w=3.0)"
    assert Five.from_config(Five(3.0).get_config()).w == 3.0


def test_call_may_take_dicts_and_tuples_of_tensors():
    class OfParts(tfloss_ext.Loss):
        def call(self, y_true, y_pred):
            left, right = y_pred["parts"]
            return ops.mean(ops.square(left + right - y_true["whole"]), axis=-1)

    predicted = {"parts": (ops.convert_to_tensor(X), ops.convert_to_tensor(Y))}
    values = to_numpy(OfParts(reduction=None)({"whole": X}, predicted))
    np.testing.assert_allclose(values, (Y**2).mean(-1), rtol=1e-6)
    weighted = to_numpy(OfParts(reduction="sum")({"whole": X}, predicted, np.array([2.0, 0.0])))
    np.testing.assert_allclose(weighted, 2 * (Y[0] ** 2).mean(), rtol=1e-6)


class Scalar(tfloss_ext.Loss):
    """One number for the batch."""

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred))


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None])
def test_a_scalar_is_the_loss_where_there_is_nothing_to_weigh(reduction):
    np.testing.assert_allclose(to_numpy(Scalar(reduction=reduction)(Y, X)), ((X - Y) ** 2).mean(), rtol=1e-6)


def test_a_scalar_cannot_be_weighed():
    masked = ops.convert_to_tensor(X)
    masked._keras_mask = ops.convert_to_tensor([True, False])
    for arguments in ((Y, X, np.ones(2)), (Y, masked)):
        with pytest.raises(ValueError, match=r"Scalar: Expected call\(y_true, y_pred\) to return one value per sample"):
            Scalar()(*arguments)


# Attributes


def test_an_attribute_is_checked_when_it_is_set_later():
    loss = tfloss_ext.Focal()
    loss.gamma = np.float64(3)
    assert loss.get_config()["gamma"] == 3.0
    assert type(loss.gamma) is float
    for value in ("x", -1, None, keras.Variable(2.0)):
        with pytest.raises(ValueError, match=r"Expected gamma >= 0. Received: gamma="):
            loss.gamma = value
    assert loss.gamma == 3.0


def test_what_parameters_have_to_be_together_is_checked_when_one_is_set_later():
    loss = tfloss_ext.LDAM([10, 5])
    with pytest.raises(ValueError, match="Expected samples_per_class > 0"):
        loss.samples_per_class = 3.0
    assert loss.samples_per_class == [10.0, 5.0]


def test_a_variable_is_refused_as_its_value_would_stay():
    for variable in (keras.Variable(2.0), keras.Variable([2.0, 3.0])):
        with pytest.raises(ValueError, match=r"the number that a variable has now would stay|Expected alpha"):
            tfloss_ext.CategoricalFocal(alpha=variable)
    with pytest.raises(ValueError, match="the number that a variable has now would stay"):
        tfloss_ext.CategoricalFocal(alpha=[1.0, keras.Variable(2.0)])


class Counts(list):
    """As the counts of a pandas Series: numbers with an index."""

    def __init__(self, values, index):
        super().__init__(values)
        self.index = index


def test_counts_that_are_not_in_the_order_of_the_classes_are_refused():
    assert tfloss_ext.LDAM(Counts([5, 4, 3], [0, 1, 2])).samples_per_class == [5.0, 4.0, 3.0]
    for index in ([2, 0, 1], ["a", "b", "c"], [1, 2, 3]):
        with pytest.raises(ValueError, match="its index is not 0, 1, 2"):
            tfloss_ext.LDAM(Counts([5, 4, 3], index))
        with pytest.raises(ValueError, match="its index is not 0, 1, 2"):
            tfloss_ext.effective_number_weights(Counts([5, 4, 3], index))


# Declarations


def test_a_list_may_be_a_default():
    class Listed(tfloss_ext.Loss, key="listed"):
        shares: list[float] = numbers(default=[0.5, 0.5], at_least=0)

        def call(self, y_true, y_pred):
            return ops.sum(ops.square(y_true - y_pred) * ops.convert_to_tensor(self.shares, y_pred.dtype), axis=-1)

    one, other = Listed(), Listed()
    assert one.shares == [0.5, 0.5]
    assert one.shares is not other.shares
    assert repr(one) == "Listed()"
    assert Listed.from_config(one.get_config()).get_config() == one.get_config()
    np.testing.assert_allclose(to_numpy(one(Y, X)), ((X - Y) ** 2 * 0.5).sum(-1).mean(), rtol=1e-6)


def declared(annotations: dict | None = None, call: bool = True, base=tfloss_ext.Loss, arguments=None, **body) -> type:
    """What the body of a class with these annotations and values comes to."""
    body = {"__annotations__": annotations or {}, "__module__": "notebook", **body}
    if call:
        body["call"] = lambda self, y_true, y_pred: ops.mean(y_pred, axis=-1)
    return type(base)("Probe", (base,), body, **(arguments or {}))


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"annotations": {"s": float}, "s": 2.0}, "Expected `s: float = tfloss_ext.number(default=2.0)`"),
        ({"annotations": {"s": "float"}, "s": 2.0}, "Expected `s: float = tfloss_ext.number(default=2.0)`"),
        ({"annotations": {"s": float}}, "Expected `s: float = tfloss_ext.number()`"),
        ({"annotations": {"s": bool}, "s": True}, "Expected `s: bool = tfloss_ext.flag(default=True)`"),
        ({"annotations": {"s": list}, "s": [1, 2]}, "Expected `s: list = tfloss_ext.numbers(default=[1, 2])`"),
        (
            {"annotations": {"s": str}, "s": "a"},
            "Expected `s: str = tfloss_ext.choice(default='a', options=(...))` in the declaration of Probe, or "
            "ClassVar[...] for what is no parameter. Received: s: str = 'a'",
        ),
        ({"s": number(default=1.0)}, "Received: s without the type of the parameter"),
        ({"base": tfloss_ext.Focal, "gamma": 3.0}, "Received: gamma = 3.0, while gamma is a parameter already"),
        ({"annotations": {"s": float}, "s": number(default=-1.0, at_least=0)}, "the default is out of range"),
        (
            {"annotations": {"name": str}, "name": choice(options=("a",))},
            "a name that is free in Probe. Received: name",
        ),
        ({"arguments": {"ky": "a"}}, "Received: ky='a'. Did you mean key?"),
        ({"arguments": {"key": "a", "aliases": "abc"}}, "Expected aliases to be a tuple of names of Probe"),
        ({"arguments": {"key": ""}}, "Expected key to be a name"),
        ({"arguments": {"key": 3}}, "Expected key to be a name"),
        ({"arguments": {"key": "a", "presets": {"b": {"x": 1}}}}, "in the preset 'b'. Received: x"),
        ({"arguments": {"key": "a"}, "call": False}, "to define a method call(y_true, y_pred)"),
    ],
)
def test_a_declaration_that_is_wrong_says_what_to_do(definition, message):
    names = tfloss_ext.names()
    with pytest.raises(TypeError, match=re.escape(message)):
        declared(**definition)
    assert tfloss_ext.names() == names


def test_a_family_with_a_key_says_which_method_it_lacks():
    from tfloss_ext.boxes import BoxLoss

    with pytest.raises(TypeError, match=re.escape("Expected Far, which has a key, to define a method penalty(pair)")):

        class Far(BoxLoss, key="far"):
            """A loss of boxes without its penalty."""

    class Near(BoxLoss, key="near"):
        """A loss of boxes that needs none."""

        def call(self, y_true, y_pred):
            return ops.mean(ops.abs(y_true - y_pred), axis=-1)

    assert np.isfinite(to_numpy(Near()(np.zeros((2, 4)), np.ones((2, 4)))))


def test_class_variables_and_the_types_of_attributes_are_no_parameters():
    from typing import ClassVar

    class Plain(tfloss_ext.Loss):
        unit: ClassVar[str] = "metres"
        factor: float

        def __init__(self, factor=2.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, y_true, y_pred):
            return self.factor * ops.mean(ops.square(y_true - y_pred), axis=-1)

    np.testing.assert_allclose(to_numpy(Plain()(Y, X)), 2 * ((X - Y) ** 2).mean(), rtol=1e-6)


def test_parameters_without_a_default_come_first():
    with pytest.raises(TypeError, match="Expected parameters without a default first in Probe"):
        declared({"a": float, "b": float}, a=number(default=1.0), b=number())


def test_every_kind_of_parameter_checks_its_values():
    class Every(tfloss_ext.Loss, key="every"):
        a: float = number(default=1.0, at_least=0, below=2)
        b: int | None = whole(default=None, at_least=1, optional=True)
        c: bool = flag(default=False)
        d: str = choice(options=("x", "y"), default="x")

        def call(self, y_true, y_pred):
            return ops.mean(y_pred, axis=-1)

    for name, value in {"a": 2, "b": 0, "c": 1, "d": "z"}.items():
        with pytest.raises(ValueError, match=rf"Expected {name} .*Received: {name}={value!r}"):
            Every(**{name: value})


# Docstrings


def test_the_docstring_tells_range_purpose_and_default_of_every_parameter():
    class Told(tfloss_ext.Loss, key="told"):
        """A loss that is told of.

        Shapes:
            y_true, y_pred: `(B, C)`.

        Reference:
            Nowhere.
        """

        a: float = number(default=0.5, at_least=0, below=1, doc="How much.")
        b: list[float] = numbers(above=0, single=False, kw_only=True, doc="One for each class.")
        c: str = choice(options=("x", "y", "z"), default="x")
        d: int | None = whole(default=None, optional=True, at_least=1, doc="How many.")
        e: bool = flag(default=False, doc="Whether.")

        def call(self, y_true, y_pred):
            return ops.mean(y_pred, axis=-1)

    assert Told.__doc__ == inspect.cleandoc(
        """A loss that is told of.

        Args:
            a: In [0, 1). How much. Defaults to `0.5`.
            c: `"x"`, `"y"` or `"z"`. Defaults to `'x'`.
            d: A whole number >= 1, or None. How many. Defaults to `None`.
            e: Whether. Defaults to `False`.
            b: A list of numbers, > 0. One for each class.
            reduction: How the values become the loss, as in `keras.losses.Loss`.
            name: Name of the instance; None means `"told"`.
            dtype: Precision of the computation; None means Keras's `floatx`.

        Shapes:
            y_true, y_pred: `(B, C)`.

        Raises:
            ValueError: If a parameter is out of its range or has not one number for each class, if the shapes do not
                fit, or if a target says nothing.

        Reference:
            Nowhere.
        """
    )
    with pytest.raises(ValueError, match=r"Expected b > 0 \(a list of numbers, one per class\). Received: b=3"):
        Told(b=3)


def test_a_docstring_that_lists_its_arguments_stays_as_it_is():
    class Own(tfloss_ext.Loss):
        """A loss.

        Args:
            a: What I say of it.
        """

        a: float = number(default=0.5, doc="What nobody reads.")

    assert "What I say of it." in Own.__doc__
    assert "nobody" not in Own.__doc__


# What has no name


def test_saving_what_cannot_be_loaded_warns():
    class Nameless(tfloss_ext.Loss):
        def call(self, y_true, y_pred):
            return ops.mean(y_pred - y_true, axis=-1)

    with pytest.warns(RuntimeWarning, match=r'Keras will not find Nameless .*class Nameless\(Loss, key="..."\)'):
        keras.saving.serialize_keras_object(Nameless())
    assert repr(Nameless(reduction="sum")).startswith("Nameless(")


# Symbols


@pytest.mark.parametrize("shape", [(4, 3), (None, 3), (2, 5, 5, 1)])
def test_symbols_give_a_symbol(shape):
    for reduction, expected in ((None, shape[:-1]), ("sum", ())):
        loss = tfloss_ext.Focal(reduction=reduction)
        found = loss(keras.KerasTensor(shape), keras.KerasTensor(shape), keras.KerasTensor(shape[:1]))
        assert isinstance(found, keras.KerasTensor)
        assert tuple(found.shape) == tuple(expected)
        assert found.dtype == "float32"


def test_a_loss_may_be_a_part_of_a_model():
    left, right = keras.Input((3,)), keras.Input((3,))
    model = keras.Model([left, right], tfloss_ext.LogCosh(reduction=None)(left, right))
    values = model.predict([Y @ np.ones((2, 3)), X @ np.ones((2, 3))], verbose=0)
    expected = np.log(np.cosh((X - Y) @ np.ones((2, 3)))).mean(-1)
    np.testing.assert_allclose(values, expected, rtol=1e-5)
