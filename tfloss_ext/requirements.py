# SPDX-License-Identifier: Apache-2.0
"""What must be so around this package, looked at before the rest of it is imported."""

from __future__ import annotations

import os
import re
import sys
import warnings

OLDEST_KERAS = (3, 12)


def check_legacy() -> None:
    """Raise where `tf.keras` is Keras 2, whose models take no name of this package and weigh its losses wrongly.

    Who has imported Keras 3 already works with that, and may need the variable for another package.
    """
    value = os.environ.get("TF_USE_LEGACY_KERAS")
    other_backend = os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow"
    # The values that TensorFlow obeys.
    if value not in ("true", "True", "1") or other_backend or "keras" in sys.modules:
        return
    raise ImportError(
        f"Expected tf.keras to be Keras 3. Received: TF_USE_LEGACY_KERAS={value}, which makes it Keras 2 (tf_keras), "
        "where the names of tfloss_ext are unknown and sample_weight weighs the mean. Unset the variable before "
        "TensorFlow is imported; or keep it, use keras in place of tf.keras, and write `import keras` above "
        "`import tfloss_ext`."
    )


def check_keras() -> None:
    """Raise below Keras 3, warn below the oldest version that the tests have passed on."""
    import keras  # Not earlier: `check_legacy` asks whether someone else has.

    found = tuple(int(number) for number in re.findall(r"\d+", keras.__version__)[:2])
    if found >= OLDEST_KERAS:
        return
    oldest = ".".join(map(str, OLDEST_KERAS))
    message = f"Expected Keras {oldest} or later. Received: Keras {keras.__version__}"
    remedy = f"Upgrade it with pip install 'keras>={oldest}'"
    if found < (3, 0):
        raise ImportError(f"{message}, where no loss of tfloss_ext works. {remedy}, and TensorFlow to 2.18 or later")
    warnings.warn(
        f"{message}, on which tfloss_ext is not tested: names, values or saving may fail. {remedy}",
        RuntimeWarning,
        stacklevel=4,
    )


check_legacy()
check_keras()
