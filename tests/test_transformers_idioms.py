"""What users of Transformers expect to work: Trainer, LoRA, checkpointing, half precision, torch.compile."""

import pytest
import torch
from transformers import Trainer, TrainingArguments

from dare_eeg_hf import DareEegForPreTraining, DareEegForSequenceClassification, DareEegModel

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


def test_trainer_trains_saves_and_evaluates(tiny_config, tmp_path):
    torch.manual_seed(0)
    model = DareEegForSequenceClassification(tiny_config)
    frozen = {name: value.clone() for name, value in model.dare_eeg.state_dict().items()}
    arguments = TrainingArguments(
        output_dir=tmp_path,
        max_steps=30,
        per_device_train_batch_size=8,
        learning_rate=2e-2,
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
    assert torch.equal(loaded.probe.fc1.weight, model.probe.fc1.weight)
    for name, value in model.dare_eeg.state_dict().items():
        assert torch.equal(value, frozen[name]), name


def test_lora_on_the_attention_projections(tiny_config, tmp_path):
    peft = pytest.importorskip("peft", reason="peft is in the extra `lora`")
    model = DareEegForSequenceClassification(tiny_config)
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
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        expected, output = (call(windows(), CHANNEL_IDS).pooler_output for call in (model, compiled))
    torch.testing.assert_close(output, expected)


def test_pretraining_networks_compile_without_graph_breaks(tiny_config):
    """Choosing the masks is left out of the graph; the four networks are what must not break."""
    model = DareEegForPreTraining(tiny_config)
    features, time_patches = torch.randn(2, 3, 2, 32), torch.tensor([[0, 1, 3]])
    targets, ids = torch.tensor([[2, 2, 0]]), torch.tensor([[5, 6, 7]])
    predictor = torch.compile(model.predictor, fullgraph=True, backend="aot_eager")
    reconstructor = torch.compile(model.reconstructor, fullgraph=True, backend="aot_eager")
    predicted = predictor(features, time_patches, 4)
    torch.testing.assert_close(predicted, model.predictor(features, time_patches, 4))
    torch.testing.assert_close(reconstructor(predicted, targets, ids), model.reconstructor(predicted, targets, ids))


def test_dummy_inputs_call_every_model(tiny_config):
    for model_class in (DareEegModel, DareEegForPreTraining, DareEegForSequenceClassification):
        model = model_class(tiny_config)
        model(**model.dummy_inputs)
