"""The interfaces of other packages, answered by our detector. Each module imports that package only where it is used.

| code written for | finds here |
|---|---|
| `mtcnn` on PyPI, 0.1 and 1.0 | `mtcnn.MTCNN` itself, which is :mod:`mtcnn.compat.mtcnn` |
| facenet-pytorch, DeepFace's `fastmtcnn` | :mod:`mtcnn.compat.facenet`: `MTCNN`, `extract_face` |
| InsightFace | :mod:`mtcnn.compat.insightface`: `Detector`, `Face`, `MtcnnDetector`, `norm_crop`, `estimate_norm` |
| YuNet, `cv2.FaceDetectorYN` | :mod:`mtcnn.compat.yunet`: `FaceDetectorYN`, `as_rows` |
| retina-face | :mod:`mtcnn.compat.retinaface`: `detect_faces`, `extract_faces` |
| face_recognition | :mod:`mtcnn.compat.face_recognition`: `face_locations`, `load_image_file` |
| tensorrt_demos, `utils/mtcnn.py` | :mod:`mtcnn.compat.tensorrt_demos`: `TrtMtcnn`, `nms`, `clip_dets`, ... |
| supervision | :mod:`mtcnn.compat.supervision`: `to_detections`, `to_key_points` |

docs/coming-from.md has the lines to change for each.
"""
