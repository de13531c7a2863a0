/** Recognises files that are given instead of an ONNX model by their first bytes, and names the remedy. */

/** As many bytes as `foreignFile` looks at. */
export const HEAD_BYTES = 512

/** In words, with the remedy; undefined where the bytes may begin a model. */
export function foreignFile(head: Uint8Array): string | undefined {
  if (head.byteLength === 0) return 'the file is empty: download it again'
  const text = new TextDecoder('latin1').decode(head.subarray(0, HEAD_BYTES))
  if (text.startsWith('version https://git-lfs.github.com/spec/'))
    return 'this is a Git LFS pointer, not the file itself: run "git lfs pull" in the repository'
  if (/^\s*<\?xml/i.test(text))
    return 'this is an XML page, such as a server sends with an error, not a model: open it to see why, and download the file again'
  if (/^\s*(<!doctype html|<html|<head|<!--)/i.test(text))
    return 'this is an HTML page, not a model: the address needs a login or shows the file in a page; download the file itself (on Hugging Face /resolve/ instead of /blob/, or "hf download")'
  if (text.startsWith('PK\u0003\u0004'))
    return 'this is a ZIP archive, such as PyTorch saves (.pt, .pth): export the model with torch.onnx.export, or unpack the archive'
  if (text.startsWith('\u001f\u008b')) return 'this is a gzip file: unpack it (gunzip)'
  if (text.startsWith('(\u00b5/\u00fd')) return 'this is a zstd file: unpack it (unzstd)'
  if (text.startsWith('\u0089HDF')) return 'this is an HDF5 file, such as Keras saves: convert it with tf2onnx'
  if (text.startsWith('ORTM', 4)) return 'this is a model in the ORT format: take the ONNX file that it was made from'
  if (text.startsWith('TFL3', 4))
    return 'this is a TensorFlow Lite model: convert it ("python -m tf2onnx.convert --tflite")'
  if (text.startsWith('GGUF')) return 'this is a GGUF model: export the original with torch.onnx.export'
  if (/^.{8}\{"/s.test(text))
    return 'this is a safetensors file, which has weights and no network: export the model with torch.onnx.export or "optimum-cli export onnx"'
  if (/^\s*[[{]\s*["\]}[{]/.test(text)) return 'this is JSON, not a model: download the file itself'
  // protocols 2 to 5
  if (head[0] === 0x80 && (head[1] ?? 0) >= 2 && (head[1] ?? 0) <= 5)
    return 'this is a Python pickle: export the model with torch.onnx.export'
  // a model begins with a field number, and has zeros among its first bytes
  if (/^[\t\n\r -~]+$/.test(text))
    return `this is text that begins ${JSON.stringify(text.trim().slice(0, 60))}: download the file itself`
  return undefined
}
