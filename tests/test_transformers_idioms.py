"""What users of Transformers expect to work: Trainer, LoRA, checkpointing, half precision, torch.compile."""

import json
import subprocess
import sys

import pytest
import torch
from transformers import Trainer, TrainingArguments

from dare_eeg_hf import DareEegConfig, DareEegForPreTraining, DareEegForSequenceClassification, DareEegModel

CHANNEL_IDS = torch.tensor([27, 3, 61, 0])


def windows(batch_size=4, seed=0):
    return 0.02 * torch.randn(batch_size, 4, 256, generator=torch.Generator().manual_seed(seed))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class LabelledWindows(torch.utils.data.Dataset):
    """Windows whose class is the sign of their slow drift."""

    def __init__(self):
        drift = torch.linspace(-0.1, 0.1, 256)
        self.labels = torch.arange(16) % 2
        self.signals = windows(16) + (2 * self.labels[:, None, None] - 1) * drift

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {"input_values": self.signals[index], "channel_ids": CHANNEL_IDS, "labels": self.labels[index]}


@pytest.fixture(params=[{}, {"statistics_stride": 16, "use_power_maps": True}], ids=["probe", "statistics"])
def classifier_config(tiny_config, request):
    """Configurations of both kinds of classifiers."""
    return DareEegConfig(**{**tiny_config.to_dict(), **request.param})


def test_trainer_trains_saves_and_evaluates(classifier_config, tmp_path):
    torch.manual_seed(0)
    model = DareEegForSequenceClassification(classifier_config)
    frozen = {name: value.clone() for name, value in model.dare_eeg.state_dict().items()}
    arguments = TrainingArguments(
        output_dir=tmp_path,
        max_steps=30,
        per_device_train_batch_size=8,
        learning_rate=5e-3,  # 2e-2 is too much for statistics and power maps as they are, not standardised
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        logging_steps=10,
    )
    trainer = Trainer(model, arguments, train_dataset=LabelledWindows(), eval_dataset=LabelledWindows())
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before
    trainer.save_model()
    loaded = DareEegForSequenceClassification.from_pretrained(tmp_path)
    for name, value in model.probe.state_dict().items():
        assert torch.equal(loaded.probe.state_dict()[name], value), name
    for name, value in model.dare_eeg.state_dict().items():
        assert torch.equal(value, frozen[name]), name


def test_lora_on_the_attention_projections(classifier_config):
    peft = pytest.importorskip("peft", reason="peft is in the extra `lora`")
    model = DareEegForSequenceClassification(classifier_config)
    model.unfreeze_encoder()
    adapted = peft.get_peft_model(
        model, peft.LoraConfig(r=2, target_modules=["attention.qkv", "attention.proj"], modules_to_save=["probe"])
    )
    trained = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    assert sum("lora_A" in name for name in trained) == 4
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=1e-2)
    labels = torch.tensor([0, 1, 0, 1])
    losses = []
    for _ in range(5):
        loss = adapted(input_values=windows(), channel_ids=CHANNEL_IDS, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(parameter.grad is not None for parameter in adapted.parameters() if parameter.requires_grad)
    adapted.eval()
    expected = adapted(input_values=windows(), channel_ids=CHANNEL_IDS).logits
    merged = adapted.merge_and_unload()
    torch.testing.assert_close(merged(windows(), CHANNEL_IDS).logits, expected)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_gradient_checkpointing_changes_no_gradient(tiny_config, use_reentrant):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = DareEegForPreTraining(tiny_config).train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": use_reentrant})
            assert all(layer.gradient_checkpointing for layer in model.predictor.layers)
        model(windows(), CHANNEL_IDS, generator=generator()).loss.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


def test_bf16_and_float32_pretraining_agree_within_what_seeds_differ_by(tiny_config):
    def final_loss(seed, dtype):
        torch.manual_seed(seed)
        model = DareEegForPreTraining(tiny_config).train()
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)
        time = torch.arange(256) / 256
        inputs = 0.05 * torch.sin(2 * torch.pi * torch.arange(4, 12)[:, None] * time)[:, None] + windows(8)
        losses = []
        for step in range(30):
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                loss = model(inputs, CHANNEL_IDS, generator=generator(1000 * seed + step)).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            model.update_momentum_encoder(0.99)
            losses.append(loss.item())
        return sum(losses[-10:]) / 10

    exact, half = (
        torch.tensor([final_loss(seed, dtype) for seed in range(3)]) for dtype in (torch.float32, torch.bfloat16)
    )
    assert abs(half.mean() - exact.mean()) < exact.max() - exact.min()


def test_whole_model_in_bf16_trains(tiny_config):
    model = DareEegForPreTraining(tiny_config).to(torch.bfloat16).train()
    output = model(windows(), CHANNEL_IDS, generator=generator())
    output.loss.backward()
    assert output.reconstruction.dtype == torch.bfloat16
    assert torch.isfinite(model.online_encoder.embeddings.patch_projection.weight.grad).all()


def test_encoder_compiles_without_graph_breaks(tiny_config):
    model = DareEegModel(tiny_config).eval()
    assert model._can_compile_fullgraph
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        expected, output = (call(windows(), CHANNEL_IDS).pooler_output for call in (model, compiled))
    torch.testing.assert_close(output, expected)


def test_classifier_of_statistics_compiles_without_graph_breaks(tiny_config):
    config = DareEegConfig(**{**tiny_config.to_dict(), "statistics_stride": 16, "use_power_maps": True})
    model = DareEegForSequenceClassification(config).train()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    expected, loss = (
        call(windows(), CHANNEL_IDS, labels=torch.tensor([0, 1, 0, 1])).loss for call in (model, compiled)
    )
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_classifier_compiles_without_graph_breaks(tiny_config, training):
    fields = {"electrode_names": ["C3", "CZ", "C4", "PZ"], "use_spatial_projection": True}
    fields |= {"use_spectral_projection": True, "projected_channel_names": None}
    model = DareEegForSequenceClassification(DareEegConfig(**{**tiny_config.to_dict(), **fields})).train(training)
    assert model._can_compile_fullgraph
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    expected, loss = (call(windows(), labels=torch.tensor([0, 1, 0, 1])).loss for call in (model, compiled))
    if training:  # dropout differs
        assert torch.isfinite(loss)
    else:
        torch.testing.assert_close(loss, expected)


def test_pretraining_does_not_claim_to_compile_whole(tiny_config):
    """Choosing the masks is left out of the graph."""
    assert not DareEegForPreTraining(tiny_config)._can_compile_fullgraph


@pytest.mark.parametrize("spectrum_loss_weight", [0.0, 1.0])
def test_pretraining_networks_compile_without_graph_breaks(tiny_config, spectrum_loss_weight):
    """Choosing the masks is left out of the graph; the four networks are what must not break."""
    tiny_config.spectrum_loss_weight = spectrum_loss_weight
    model = DareEegForPreTraining(tiny_config)
    features, time_patches = torch.randn(2, 3, 2, 32), torch.tensor([[0, 1, 3]])
    targets, ids = torch.tensor([[2, 2, 0]]), torch.tensor([[5, 6, 7]])
    predictor = torch.compile(model.predictor, fullgraph=True, backend="aot_eager")
    reconstructor = torch.compile(model.reconstructor, fullgraph=True, backend="aot_eager")
    predicted = predictor(features, time_patches, 4)
    torch.testing.assert_close(predicted, model.predictor(features, time_patches, 4))
    found, expected = (network(predicted, targets, ids) for network in (reconstructor, model.reconstructor))
    torch.testing.assert_close(found[0], expected[0])
    if spectrum_loss_weight:
        torch.testing.assert_close(found[1], expected[1])
    else:
        assert found[1] is expected[1] is None


def test_a_step_in_bf16_trains_the_head_of_the_spectrum(tiny_config):
    tiny_config.spectrum_loss_weight = 1.0
    torch.manual_seed(0)
    model = DareEegForPreTraining(tiny_config).train()
    head = model.reconstructor.spectrum_proj.weight
    before, optimizer = head.detach().clone(), torch.optim.AdamW([head], lr=1e-3)
    expected = model(windows(), CHANNEL_IDS, generator=generator()).loss_spectrum
    with torch.autocast("cpu", torch.bfloat16):
        output = model(windows(), CHANNEL_IDS, generator=generator())
    torch.testing.assert_close(output.loss_spectrum.float(), expected, rtol=0.05, atol=0)
    output.loss.backward()
    optimizer.step()
    assert not torch.equal(head, before)


def test_dummy_inputs_call_every_model(tiny_config):
    for model_class in (DareEegModel, DareEegForPreTraining, DareEegForSequenceClassification):
        model = model_class(tiny_config)
        model(**model.dummy_inputs)


MODELS = (DareEegModel, DareEegForSequenceClassification, DareEegForPreTraining)


def arguments_of(model_class):
    """What a model needs to give the same output twice."""
    arguments = {"input_values": windows(), "channel_ids": CHANNEL_IDS}
    if model_class is DareEegForSequenceClassification:
        arguments["labels"] = torch.tensor([0, 1, 0, 1])
    return arguments | ({"generator": generator()} if model_class is DareEegForPreTraining else {})


def assert_same_values(values, expected):
    for one, other in zip(values, expected, strict=True):
        if isinstance(other, tuple):
            assert_same_values(one, other)
        else:
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("model_class", MODELS)
def test_tuples_hold_what_the_output_holds_in_its_order(tiny_config, model_class):
    model = model_class(tiny_config).eval()
    for recorded in ({}, {"output_hidden_states": True}):
        output = model(**arguments_of(model_class), **recorded)
        named = model(**arguments_of(model_class), **recorded, return_dict=False)
        model.config.return_dict = False
        configured = model(**arguments_of(model_class), **recorded, return_dict=None)
        assert model(**arguments_of(model_class), return_dict=True).keys() <= output.keys()
        model.config.return_dict = True
        assert isinstance(named, tuple)
        assert_same_values(named, tuple(output.values()))
        assert_same_values(configured, named)


@pytest.mark.parametrize("model_class", MODELS)
def test_unknown_keywords_of_forward_are_errors(tiny_config, model_class):
    model = model_class(tiny_config).eval()
    arguments = arguments_of(model_class)
    with pytest.raises(TypeError, match=r"chanel_mask \(did you mean channel_mask\?\)"):
        model(**arguments, chanel_mask=None)
    with pytest.raises(TypeError, match=r"attention_mask is an argument of text models: .* channel_mask"):
        model(**arguments, attention_mask=torch.ones(4, 4))
    plain = {"input_ids": None, "attention_mask": None, "inputs_embeds": None, "output_attentions": None}
    model(**arguments, **plain, num_items_in_batch=torch.tensor(4))


def test_hidden_states_of_pretraining_do_not_depend_on_the_masks(tiny_config):
    """Those of the first view: under equal and unequal views, given and drawn masks, padding, and without gradient."""
    model = DareEegForPreTraining(tiny_config).eval()
    grid = torch.zeros(1, 4, 4, dtype=torch.bool)
    first, wider = grid.clone(), grid.clone()
    first[:, :2, :2] = True
    wider[:, :2, :3] = True
    given = {"context_mask": first, "target_mask": ~first}
    for masks in (
        {"generator": generator()},
        {**given, "second_context_mask": first},
        {**given, "second_context_mask": wider},
        {**given, "second_context_mask": wider, "channel_mask": torch.tensor([[True, True, True, False]] * 4)},
    ):
        plain = model(windows(), CHANNEL_IDS, **({"generator": generator()} if "generator" in masks else masks))
        for grad in (True, False):
            if "generator" in masks:
                masks["generator"].manual_seed(0)
            with torch.set_grad_enabled(grad):
                output = model(windows(), CHANNEL_IDS, **masks, output_hidden_states=True)
            assert len(output.hidden_states) == tiny_config.num_hidden_layers + 1
            torch.testing.assert_close(output.loss, plain.loss)
            rows, summary = output.first_view_features.shape[1], tiny_config.num_summary_tokens
            normalised = model.online_encoder.layernorm(output.hidden_states[-1][:, -summary:])
            torch.testing.assert_close(normalised.view(4, rows, summary, -1), output.first_view_features)


@pytest.mark.parametrize("model_class", [DareEegModel, DareEegForSequenceClassification])
def test_pretraining_from_an_encoder_alone_starts_both_encoders_from_it(tiny_config, model_class, tmp_path, caplog):
    saved = model_class(tiny_config)
    saved.save_pretrained(tmp_path)
    encoder = getattr(saved, "dare_eeg", saved).state_dict()
    model, loading = DareEegForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    for part in (model.online_encoder, model.dare_eeg):
        assert all(torch.equal(weight, encoder[name]) for name, weight in part.state_dict().items())
    new = {name.split(".")[0] for name in loading["missing_keys"]}
    assert new == {"predictor", "reconstructor", "contrastive_projection"}
    assert "contrastive_projection, predictor, reconstructor are new" in caplog.text


def test_a_whole_pretraining_checkpoint_keeps_both_encoders(tiny_config, tmp_path):
    saved = DareEegForPreTraining(tiny_config)
    with torch.no_grad():
        for parameter in saved.online_encoder.parameters():
            parameter.add_(0.1)
    saved.save_pretrained(tmp_path)
    model, loading = DareEegForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not loading["missing_keys"]
    assert_same_values(tuple(model.state_dict().values()), tuple(saved.state_dict().values()))


@pytest.mark.parametrize(
    "fields",
    [
        {"normalize_probe_features": True, "electrode_names": ["C3", "CZ"], "use_spectral_projection": True},
        {"statistics_stride": 8, "use_power_maps": True},
    ],
)
def test_a_new_head_on_an_encoder_starts_defined(tiny_config, tmp_path, fields):
    """Buffers that a checkpoint lacks come uninitialised from the meta device unless they are set."""
    DareEegModel(tiny_config).save_pretrained(tmp_path)
    model = DareEegForSequenceClassification.from_pretrained(tmp_path, **fields)
    fresh = DareEegForSequenceClassification(model.config)
    for name, buffer in fresh.named_buffers():
        assert torch.equal(model.get_buffer(name), buffer), name


def test_accumulated_batches_give_the_gradient_of_the_whole(tiny_config, tmp_path):
    """Losses are means: a Trainer that takes them for sums over the batches would step several times as far."""
    steps = []
    for batch_size, accumulated in ((16, 1), (4, 4)):
        torch.manual_seed(0)
        config = DareEegConfig(**{**tiny_config.to_dict(), "probe_dropout": 0.0})
        model = DareEegForSequenceClassification(config)
        before = model.probe.fc2.bias.detach().clone()
        arguments = TrainingArguments(
            output_dir=tmp_path,
            max_steps=1,
            per_device_train_batch_size=batch_size,
            gradient_accumulation_steps=accumulated,
            optim="sgd",
            learning_rate=1.0,
            lr_scheduler_type="constant",
            max_grad_norm=0.0,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            save_strategy="no",
        )
        Trainer(model, arguments, train_dataset=LabelledWindows()).train()
        steps.append(model.probe.fc2.bias.detach() - before)
    torch.testing.assert_close(*steps, rtol=1e-3, atol=1e-6)


LOAD_ADAPTERS = """
import json, sys, torch
from pathlib import Path
from dare_eeg_hf import DareEegConfig, DareEegForSequenceClassification
model = DareEegForSequenceClassification(DareEegConfig.from_preset("nano"))
assert "peft" not in sys.modules, "importing the package must not import PEFT"
from peft import LoraConfig, PeftModel, get_peft_model
adapted = get_peft_model(model, LoraConfig(task_type="SEQ_CLS"))
print("TARGETS", sum("lora_A" in name for name, _ in adapted.named_parameters()))
torch.manual_seed(99)
folder = Path(sys.argv[1])
batch = torch.load(folder / "batch.pt")
for adapter in sorted(folder.glob("adapter*")):
    fields = json.loads((adapter / "fields.json").read_text())
    base = DareEegForSequenceClassification.from_pretrained(folder / "base", **fields)
    print("LOGITS" + json.dumps(PeftModel.from_pretrained(base, adapter).eval()(**batch).logits.tolist()))
"""


def test_the_head_is_saved_with_the_adapter_and_default_targets_are_there_whenever_peft_is_imported(
    tiny_config, tmp_path
):
    """From an encoder's checkpoint, so that whatever an adapter does not hold is random in the other process.

    That process builds a model before it imports PEFT: the default targets have to be there nevertheless.
    """
    peft = pytest.importorskip("peft", reason="peft is in the extra `lora`")
    DareEegModel(tiny_config).save_pretrained(tmp_path / "base")
    batch = {"input_values": windows(), "channel_ids": CHANNEL_IDS}
    torch.save(batch, tmp_path / "batch.pt")
    projections = {"electrode_names": ["C3", "CZ", "C4", "PZ"], "use_spatial_projection": True}
    projections["use_spectral_projection"] = True
    by_task, by_name = {"task_type": "SEQ_CLS"}, {"modules_to_save": ["probe", "adapter"]}
    cases = [({"normalize_probe_features": True}, by_task), (projections, by_task), (projections, by_name)]
    cases.append(({"statistics_stride": 16, "use_power_maps": True}, by_task))
    logits = []
    for number, (fields, lora) in enumerate(cases):
        base = DareEegForSequenceClassification.from_pretrained(tmp_path / "base", **fields)
        model = peft.get_peft_model(base, peft.LoraConfig(r=8, **lora)).train()
        assert sum(".lora_A." in name for name, _ in model.named_parameters()) == 4
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
        for _ in range(3):
            model(**batch, labels=torch.tensor([0, 1, 0, 1])).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        logits.append(model.eval()(**batch).logits.detach())
        folder = tmp_path / f"adapter{number}"
        model.save_pretrained(folder)
        (folder / "fields.json").write_text(json.dumps(fields))
        torch.testing.assert_close(model.merge_and_unload()(**batch).logits, logits[-1])
    command = [sys.executable, "-c", LOAD_ADAPTERS, str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line.removeprefix("LOGITS") for line in process.stdout.splitlines() if line.startswith("LOGITS")]
    assert len(lines) == len(cases), process.stderr
    assert "TARGETS 4" in process.stdout.splitlines()
    for line, expected in zip(lines, logits, strict=True):
        torch.testing.assert_close(torch.tensor(json.loads(line)), expected)


@pytest.mark.parametrize("task_type", ["SEQ_CLS", "FEATURE_EXTRACTION", None])
@pytest.mark.parametrize("model_class", MODELS)
def test_peft_wraps_every_model_for_every_task(tiny_config, model_class, task_type):
    peft = pytest.importorskip("peft", reason="peft is in the extra `lora`")
    plain = model_class(tiny_config).eval()
    expected = tuple(plain(**arguments_of(model_class)).values())
    adapted = peft.get_peft_model(plain, peft.LoraConfig(r=2, task_type=task_type)).eval()
    if task_type == "FEATURE_EXTRACTION" and model_class is DareEegForSequenceClassification:
        assert_same_values((adapted(**arguments_of(model_class)).logits,), expected[1:])
    else:
        assert_same_values(tuple(adapted(**arguments_of(model_class)).values()), expected)  # updates start at zero
    if task_type is not None:
        with pytest.raises(TypeError, match=r"input_values=.*by name"):
            adapted(windows(), CHANNEL_IDS)


def test_peft_warns_where_the_head_would_stay_random(tiny_config, caplog):
    peft = pytest.importorskip("peft", reason="peft is in the extra `lora`")
    labels = torch.tensor([0, 1, 0, 1])
    adapted = peft.get_peft_model(DareEegForSequenceClassification(tiny_config), peft.LoraConfig(r=2)).train()
    adapted(input_values=windows(), channel_ids=CHANNEL_IDS, labels=labels)
    assert "part of its head is frozen: probe." in caplog.text
    everything = peft.LoraConfig(r=2, task_type="SEQ_CLS", target_modules="all-linear")
    with pytest.raises(ValueError, match=r"modules_to_save=\['probe'\]"):
        peft.get_peft_model(DareEegForSequenceClassification(tiny_config), everything)
