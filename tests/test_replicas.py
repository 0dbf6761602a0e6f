# SPDX-License-Identifier: Apache-2.0
"""Two replicas on one machine take the very step that one device takes on the whole batch."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

# In a process of its own: logical devices must be made before TensorFlow starts.
SCRIPT = textwrap.dedent(
    """
    import json, os
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np, tensorflow as tf, keras, tfloss_ext
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    rng = np.random.default_rng(0)
    x, ids = rng.normal(size=(22, 5)).astype("float32"), rng.integers(0, 4, 22)
    found = {}
    for name, loss in {
        "semi_hard": tfloss_ext.Triplet(),
        "apart": tfloss_ext.Triplet(cross_replica=False),
        "categorical_focal": tfloss_ext.CategoricalFocal(from_logits=True),
    }.items():
        steps = []
        for scope in (tf.distribute.get_strategy(), strategy):
            with scope.scope():
                keras.utils.set_random_seed(0)
                model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
                model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
            # 22 = 12 + 10: the last batch is smaller.
            history = model.fit(x, ids, batch_size=12, shuffle=False, verbose=0)
            steps.append((model.get_weights()[0], history.history["loss"][0]))
        found[name] = float(np.abs(steps[0][0] - steps[1][0]).max())

    # 9 = 8 + 1: of the last batch a replica has nothing, and the other half of the step, as in Keras.
    def plain():
        return [keras.layers.Dense(4)]

    def image():
        return [keras.layers.Dense(32, "sigmoid"), keras.layers.Reshape((4, 4, 2))]

    def compiled(layers, loss):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((5,)), *layers()])
        model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
        return model

    x, ids = x[:9], ids[:9]
    mask, hot = rng.integers(0, 2, (9, 4, 4)), np.eye(4, dtype="float32")[ids]
    empty = {}
    for name, (y, layers, loss) in {
        "focal": (hot, plain, tfloss_ext.Focal(from_logits=True)),
        "log_cosh": (hot, plain, tfloss_ext.LogCosh()),
        "poly1": (ids, plain, tfloss_ext.Poly1(from_logits=True)),
        "sparsemax": (ids, plain, tfloss_ext.Sparsemax()),
        "bi_tempered": (ids, plain, tfloss_ext.BiTempered()),
        "triplet": (ids, plain, tfloss_ext.Triplet()),
        "triplet_hard": (ids, plain, tfloss_ext.Triplet(mining="hard")),
        "triplet_all": (ids, plain, tfloss_ext.Triplet(mining="all", distance="cosine")),
        "giou": (hot, plain, tfloss_ext.GIoU()),
        "dice": (mask, image, tfloss_ext.Dice()),
        "generalized_dice": (mask, image, tfloss_ext.GeneralizedDice()),
        "dice_focal": (mask, image, tfloss_ext.DiceFocal()),
        "lovasz": (mask, image, tfloss_ext.Lovasz()),
        "cl_dice": (mask, image, tfloss_ext.ClDice()),
    }.items():
        alone = compiled(layers, loss)
        alone.train_on_batch(x[:8], y[:8])
        alone.train_on_batch(x[8:], y[8:], sample_weight=np.array([0.5], "float32"))
        with strategy.scope():
            both = compiled(layers, loss)
        history = both.fit(x, y, batch_size=8, shuffle=False, verbose=0).history["loss"]
        empty[name] = [float(np.abs(alone.get_weights()[0] - both.get_weights()[0]).max()), history[0]]
    print(json.dumps({"found": found, "empty": empty}))
    """
)


@pytest.fixture(scope="module")
def results() -> dict[str, dict]:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    if run.returncode:
        pytest.fail(run.stderr[-3000:])
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["semi_hard", "categorical_focal"])
def test_two_replicas_take_the_step_of_one_device(results, name):
    assert results["found"][name] < 1e-6


@pytest.mark.tensorflow
def test_without_cross_replica_each_mines_its_own_share(results):
    assert results["found"]["apart"] > 1e-5


@pytest.mark.tensorflow
def test_a_replica_without_a_sample_adds_nothing(results):
    assert len(results["empty"]) == 14
    for name, (difference, loss) in results["empty"].items():
        assert difference < 1e-6, name
        assert loss == loss, name
