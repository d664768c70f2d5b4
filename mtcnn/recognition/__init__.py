"""Who a face is: vectors of aligned crops, compared with thresholds."""
