"""What any training needs: a device, steps that survive interruption, schedules, evaluation."""
