# SPDX-License-Identifier: Apache-2.0
"""Two replicas on one machine take the very step that one device takes on the whole batch."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from cases import cases, is_square, of_each_family

from tfloss_ext import registry

# In a process of its own: logical devices must be made before TensorFlow starts.
SCRIPT = textwrap.dedent(
    """
    import json, os, sys
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np, tensorflow as tf, keras, tfloss_ext
    from cases import cases
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    rng = np.random.default_rng(0)
    x, ids = rng.normal(size=(22, 5)).astype("float32"), rng.integers(0, 4, 22)
    found, ce = {}, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for name, loss in {
        "semi_hard": tfloss_ext.Triplet(),
        "apart": tfloss_ext.Triplet(cross_replica=False),
        "categorical_focal": tfloss_ext.CategoricalFocal(from_logits=True),
        "proxy_anchor": tfloss_ext.ProxyAnchor(alpha=1.0),
        "sum": 2 * tfloss_ext.CategoricalFocal(from_logits=True) + ce,
    }.items():
        steps, shown = [], loss.as_metrics if name == "sum" else list
        for scope in (tf.distribute.get_strategy(), strategy):
            with scope.scope():
                keras.utils.set_random_seed(0)
                model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
                model.compile(keras.optimizers.SGD(0.1), loss, metrics=shown(), jit_compile=False)
            # 22 = 12 + 10: the last batch is smaller.
            history = model.fit(x, ids, batch_size=12, shuffle=False, verbose=0)
            steps.append((model.get_weights()[0], list(history.history.values())))
        found[name] = float(np.abs(steps[0][0] - steps[1][0]).max())
        if name == "sum":
            found["logs"] = float(np.abs(np.subtract(steps[0][1], steps[1][1])).max())
            assert len(steps[0][1]) == 3

    # What moves: the step, learned weights of tasks, and the scheduled part of a loss.
    rising = tfloss_ext.Scheduled(keras.optimizers.schedules.PolynomialDecay(0.0, 3, 1.0))
    ends = []
    for scope in (tf.distribute.get_strategy(), strategy):
        with scope.scope():
            keras.utils.set_random_seed(0)
            features = keras.Input((5,))
            outputs = {"a": keras.layers.Dense(1)(features), "b": keras.layers.Dense(4)(features)}
            outputs = tfloss_ext.StepCounter()(tfloss_ext.UncertaintyWeights()(outputs))
            model = keras.Model(features, outputs)
            weight = tfloss_ext.TaskWeight()
            losses = {
                "a": weight * (tfloss_ext.LogCosh() + rising * tfloss_ext.WeightedMSE()),
                "b": weight * tfloss_ext.CategoricalFocal(from_logits=True, gamma=rising),
            }
            model.compile(keras.optimizers.SGD(0.1), losses, jit_compile=False)
        history = model.fit(x, {"a": x[:, :1], "b": ids}, batch_size=12, epochs=2, shuffle=False, verbose=0)
        ends.append([*history.history["loss"], *np.concatenate([np.ravel(each) for each in model.get_weights()])])
        assert [int(each.numpy()) for each in model.non_trainable_weights] == [4]
    found["moving"] = float(np.abs(np.subtract(*ends)).max())
    learned = [each for each in model.trainable_weights if each.name == "log_variances"][0].numpy()
    found["learned"] = float(np.abs(learned).min())

    # 9 = 8 + 1: of the last batch a replica has nothing, and the other half of the step, as in Keras; the whole step
    # where what is seen of every replica is credited to the samples there are.
    class Bent(keras.layers.Layer):
        # Not by a factor, which correlations do not see.
        def build(self, shape):
            self.scale = self.add_weight(shape=tuple(shape[1:])[-1:], initializer="ones")

        def call(self, x):
            return x + (self.scale - 1.0) * keras.ops.tanh(x)

    def compiled(shape, loss):
        model = keras.Sequential([keras.Input(shape), Bent()])
        model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
        return model

    empty = {}
    for key, more in json.loads(sys.argv[1]):
        case = cases(key)[0]
        rows = np.arange(9) % len(case.y_pred)
        x, y, loss = case.y_pred[rows], case.y_true[rows], case.loss(**more)
        alone = compiled(x.shape[1:], loss)
        alone.train_on_batch(x[:8], y[:8])
        share = 1.0 if loss.couples else 0.5
        alone.train_on_batch(x[8:], y[8:], sample_weight=np.array([share], "float32"))
        with strategy.scope():
            both = compiled(x.shape[1:], loss)
        history = both.fit(x, y, batch_size=8, shuffle=False, verbose=0).history["loss"]
        difference = float(np.abs(alone.get_weights()[0] - both.get_weights()[0]).max())
        empty[json.dumps([key, more])] = [difference, history[0], float(np.abs(both.get_weights()[0] - 1).max())]
    print(json.dumps({"found": found, "empty": empty}))
    """
)


def exact() -> list[str]:
    """The losses whose values are those of single samples, and those that ask every replica for its own.

    But for those that are given a matrix of the batch.
    """
    losses = {key: cases(key)[0].loss() for key in sorted(registry.classes()) if not is_square(key)}
    return [key for key, loss in losses.items() if not loss.couples or loss.asks_replicas]


def is_the_step_of_one_device(found: dict[str, list[float]]) -> None:
    for name, (difference, loss, moved) in found.items():
        assert difference < 1e-6, name
        assert loss == loss, name
        assert moved > 1e-5, name


def run(chosen: list[tuple[str, dict]]) -> dict[str, dict]:
    command = [sys.executable, "-c", SCRIPT, json.dumps(chosen)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    if run.returncode:
        pytest.fail(run.stderr[-3000:])
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.tensorflow
def test_replicas_take_the_step_of_one_device_and_one_without_a_sample_adds_nothing():
    # In one, as each process that makes devices takes half a minute: what compares samples, and half of what does not.
    usual = [key for key in exact() if key in of_each_family()]
    couples = [key for key in usual if cases(key)[0].loss().couples]
    minings = [("triplet", {"mining": mining}) for mining in ("hard", "all")]
    chosen = [*((key, {}) for key in [*couples, *[key for key in usual if key not in couples][::2]]), *minings]
    results = run(chosen)
    assert results["found"]["semi_hard"] < 1e-6
    assert results["found"]["categorical_focal"] < 1e-6
    assert results["found"]["proxy_anchor"] < 1e-6
    assert results["found"]["sum"] < 1e-6
    assert results["found"]["logs"] < 1e-5
    assert results["found"]["moving"] < 1e-5
    assert results["found"]["learned"] > 1e-3
    # Without the samples of the other replica each mines its own share.
    assert results["found"]["apart"] > 1e-5
    assert len(results["empty"]) == len(chosen) >= 10
    is_the_step_of_one_device(results["empty"])


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_replica_without_a_sample_adds_nothing_to_any_loss():
    found = run([(key, {}) for key in exact()])["empty"]
    assert len(found) == len(exact())
    is_the_step_of_one_device(found)
