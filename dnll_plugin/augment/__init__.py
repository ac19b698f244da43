"""Augmentation of whole batches of uint8 images, on any device; needs torch alone.

What is random is drawn on the host, in one call for the batch: it takes microseconds, a seed gives
the same views on every device, and the host knows how many images an operation has without asking
the device. The rest is arithmetic of tensors without a loop over images.

Each operation gives what Pillow gives for the same image and strength.
"""
