"""Any folder of images with a folder of masks, and a class table: CamVid, ADE20K, LandCover and a thousand private sets."""
