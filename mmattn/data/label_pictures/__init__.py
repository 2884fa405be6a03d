"""Label pictures of semantic segmentation: images of one channel, whose pixels are labels of classes."""
