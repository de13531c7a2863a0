/** How to cite the method, in BibTeX: part of every dataset card and of croissant.json. */
export const CITATION = `@misc{shang2025coopt,
  title = {Beyond Model-Centric: Collaborative Data Optimization for Reusing and Sharing},
  author = {Shang, Xinyi and Sun, Peng and Liu, Fengyuan and Lin, Tao},
  year = {2025},
  eprint = {2505.14117},
  archivePrefix = {arXiv},
  primaryClass = {cs.LG},
  url = {https://arxiv.org/abs/2505.14117}
}`
