"""Everything outside memory: places, images, masks, rasters, and the formats that segdata writes."""
