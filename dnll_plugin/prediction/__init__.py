"""What ``dnll predict`` is made of: the trained net, the images, the rows, the picture."""
