"""Hugging Face models as a row, not trained here: CLIPSeg draws the mask of what the question asks for, and a vision-language
model may write the sentence.

    methods:
      - examples/methods/hugging_face.py:HuggingFace: {segmenter: models/clipseg}                       # template sentence
      - examples/methods/hugging_face.py:HuggingFace: {segmenter: models/clipseg, writer: models/llava} # its own sentence

Both are folders that `save_pretrained` wrote (or `hf download` fetched): nothing is downloaded at run time.
"""

import time

import torch
from PIL import Image
from prsbench.harness.contract.config import GivenPath, MethodConfig
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.types import Labels, Prediction, TextSource, Weights
from prsbench.methods.answers import answer_from_mask
from prsbench.methods.targets import target_named
from torch.nn import functional
from transformers import AutoModelForImageTextToText, AutoProcessor, CLIPSegForImageSegmentation


class HuggingFaceConfig(MethodConfig):
    segmenter: GivenPath | None = None  # a CLIPSeg folder
    writer: GivenPath | None = (
        None  # an image-text-to-text folder with a chat template, such as LLaVA's; None: a template sentence
    )
    dtype: str = "auto"
    max_new_tokens: int = 48


class HuggingFace:
    def __init__(self, config: HuggingFaceConfig):
        self.config = config

    @property
    def labels(self):
        source = TextSource.GENERATED if self.config.writer else TextSource.OWN_MASK
        return Labels(self.config.prompt_source, Weights.OFFICIAL, source, notes=("not trained on this data set's train split",))

    def fit(self, train, val, context):
        pass  # nothing is trained

    def save(self, folder):
        pass

    def load(self, folder, device):
        if self.config.segmenter is None:
            raise ConfigError("hugging_face.py: no segmenter. Name a folder with CLIPSeg's files in the grid, as `segmenter`.")
        self.device = device
        self.segmenter = (
            CLIPSegForImageSegmentation.from_pretrained(self.config.segmenter, local_files_only=True).to(device).eval()
        )
        self.to_clipseg = AutoProcessor.from_pretrained(self.config.segmenter, local_files_only=True)
        if self.config.writer is not None:
            kind = {"dtype": self.config.dtype, "local_files_only": True}
            self.writer = AutoModelForImageTextToText.from_pretrained(self.config.writer, **kind).to(device).eval()
            self.to_writer = AutoProcessor.from_pretrained(self.config.writer, local_files_only=True)

    @torch.inference_mode()
    def predict(self, queries):
        predictions = []
        for query in queries:  # one by one: padding to the longest text of a batch would change the others' numbers
            start = time.perf_counter()
            image = Image.fromarray(query.image)
            target = target_named(query.question, query.modality)
            inputs = self.to_clipseg(text=[target], images=[image], return_tensors="pt").to(self.device)
            logits = self.segmenter(**inputs).logits.reshape(1, 1, *self.segmenter_size())
            native = functional.interpolate(logits.float(), query.image.shape[:2], mode="bilinear")
            probability = native[0, 0].sigmoid().cpu().numpy()
            answer = self._written(query, image) if self.config.writer else answer_from_mask(probability, query.modality)
            predictions.append(Prediction(probability, answer, time.perf_counter() - start))
        return predictions

    def segmenter_size(self):
        side = self.segmenter.config.vision_config.image_size
        return side, side

    def _written(self, query, image):
        content = [{"type": "image"}, {"type": "text", "text": query.question}]
        prompt = self.to_writer.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = self.to_writer(text=prompt, images=image, return_tensors="pt").to(self.device)
        tokens = self.writer.generate(**inputs, max_new_tokens=self.config.max_new_tokens, do_sample=False)
        new = tokens[0, inputs["input_ids"].shape[1] :]
        return self.to_writer.decode(new, skip_special_tokens=True).strip()
