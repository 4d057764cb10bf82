"""Campaigns and reach; their models come with the first campaign."""
