"""Who else hears of an OOM."""
