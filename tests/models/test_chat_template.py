"""A chat template that comes with a model is tried with limits before anything runs it without."""

import time

import pytest
from mathrl.core.files import UserError, write_json
from mathrl.models import chat_template, prepare
from mathrl.models.checks import check_chat_template, check_model
from support.models import NO_WEIGHTS


@pytest.fixture
def model(tmp_path):
    write_json(tmp_path / "config.json", {})
    (tmp_path / "model.safetensors").write_bytes(NO_WEIGHTS)
    return tmp_path


LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}"
FILL = "{% set ns = namespace(x='x' * 100) %}{% for a in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}"


@pytest.mark.parametrize("template", [LOOP, FILL], ids=["loops", "fills the memory"])
def test_one_that_does_not_end_is_cut_off_with_a_line(model, template, monkeypatch):
    monkeypatch.setattr(chat_template, "SECONDS", 1.0)
    (model / "chat_template.jinja").write_text(template)
    begin = time.process_time()
    with pytest.raises(UserError, match="its chat template was cut off after 1 s"):
        check_model(model)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    "template", [prepare.CHATML, "{{ raise_exception('no') }}", "{% if %}", "{% for m in messages %}{% break %}{% endfor %}"]
)
def test_others_pass(model, template):
    write_json(model / "tokenizer_config.json", {"chat_template": template})
    check_model(model)


def test_the_dialogue_is_rendered_as_transformers_does():
    assert chat_template.render(prepare.CHATML) == len(
        "<|im_start|>user\nWhat is 1 + 1?<|im_end|>\n<|im_start|>assistant\n"
        "<|im_start|>user\nWhat is 1 + 1?<|im_end|>\n<|im_start|>assistant\n\\boxed{2}<|im_end|>\n"
    )


@pytest.mark.parametrize(
    ("settings", "fits"),
    [({}, False), ({"chat_template": None}, False), ({"chat_template": "{{ x }}"}, True), ({"chat_template": [{"name": "default"}]}, True)],
    ids=["none", "null", "one", "several by name"],
)
def test_a_model_to_train_has_a_chat_template(tmp_path, settings, fits):
    """Said before the job; else transformers raises in the middle of it."""
    write_json(tmp_path / "tokenizer_config.json", settings)
    if fits:
        return check_chat_template(tmp_path)
    with pytest.raises(UserError, match=r"config: base_model: .* has no chat template"):
        check_chat_template(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    check_chat_template(tmp_path)
