"""Networks: CNN-13 and CNN-3, every timm model, and the pair of submodels of any two nets."""
