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
    print(json.dumps(found))
    """
)


@pytest.fixture(scope="module")
def differences() -> dict[str, float]:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    if run.returncode:
        pytest.fail(run.stderr[-3000:])
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["semi_hard", "categorical_focal"])
def test_two_replicas_take_the_step_of_one_device(differences, name):
    assert differences[name] < 1e-6


@pytest.mark.tensorflow
def test_without_cross_replica_each_mines_its_own_share(differences):
    assert differences["apart"] > 1e-5
