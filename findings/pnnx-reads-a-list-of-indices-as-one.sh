#!/usr/bin/env bash
# pnnx 20261020 turns an ONNX Gather with a list of indices into ncnn's crop of a single slice, without an error.
#
# PyTorch exports `x[:, :, ::2]` (every second frame) as a Gather with the list of frames. onnxruntime follows it. pnnx
# converts the file and reports success, and ncnn 1.0.20261020 runs it, but the output has one axis fewer and other
# values: a single slice in place of every second frame. An encoder with strided residual branches loads, runs
# and gives wrong features. Write the stride as a strided slice or as an average pooling of one frame instead.
#
# Seen: for clips (2, 8, 4) onnxruntime gives (2, 4, 4), the frames 0, 2, 4 and 6. ncnn gives (2, 8): the third joint of
# every frame.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check \
    pnnx==20261020 ncnn==1.0.20261020 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

env/bin/python - <<'PYTHON'
import numpy as np
import onnx
from onnx import TensorProto, helper

clips = helper.make_tensor_value_info("clips", TensorProto.FLOAT, [1, 2, 8, 4])
every_second = helper.make_tensor_value_info("every_second", TensorProto.FLOAT, [1, 2, 4, 4])
frames = onnx.numpy_helper.from_array(np.array([0, 2, 4, 6]), "frames")
gather = helper.make_node("Gather", ["clips", "frames"], ["taken"], axis=2)
relu = helper.make_node("Relu", ["taken"], ["every_second"])
graph = helper.make_graph([gather, relu], "graph", [clips], [every_second], [frames])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, "model.onnx")
PYTHON
env/bin/pnnx model.onnx 'inputshape=[1,2,8,4]' > pnnx.log 2>&1
echo "pnnx ends with status 0"
env/bin/python - <<'PYTHON'
import sys

import ncnn
import numpy as np
import onnxruntime

clips = np.arange(64, dtype=np.float32).reshape(2, 8, 4)
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
(expected,) = session.run(None, {"clips": clips[None]})
net = ncnn.Net()
net.load_param("model.ncnn.param")
net.load_model("model.ncnn.bin")
extractor = net.create_extractor()
extractor.input("in0", ncnn.Mat(clips))
status, output = extractor.extract("out0")
got = np.array(output)
print("onnxruntime:", expected[0].shape, "frames", (expected[0, 0, :, 0] / 4).astype(int).tolist())
print("ncnn:       ", got.shape, "status", status, "first row", got.reshape(-1)[:8].tolist())
right = (expected[0] == clips[:, ::2]).all()
sys.exit(0 if right and status == 0 and (got.shape == (2, 8) and (got == clips[..., 2]).all()) else 1)
PYTHON
