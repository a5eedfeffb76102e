"""DeepSeek-V3's router in float32 (mathrl.models.router), in each process of verl's that trains or samples.

verl imports this where such a model is trained: the trainer by `external_lib`, and the engine's processes, which do not read that, among
the modules that verl imports everywhere (grpo_config.py).
"""

from __future__ import annotations

from mathrl.models import router
from mathrl.verl.after_import import after_import

after_import(router.TRAINERS, router.in_the_trainer)
after_import(router.ENGINES, router.in_the_engine)
