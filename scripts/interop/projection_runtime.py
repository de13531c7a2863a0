"""A model for MLServer (test/interop/server.test.ts): a fixed random projection of the pixels, positive part.

The same seed in every process, so that a server that was killed and started again is the same model.
"""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

PIXELS = 3 * 32 * 32
FEATURES = 96


class Projection(MLModel):
    async def load(self) -> bool:
        generator = np.random.default_rng(7)
        self.weights = generator.standard_normal((PIXELS, FEATURES)).astype(np.float32)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        images = self.decode(payload.inputs[0], default_codec=NumpyCodec).astype(np.float32)
        features = np.maximum(images.reshape(len(images), PIXELS) @ self.weights / np.sqrt(PIXELS), 0)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("feature", features)])
