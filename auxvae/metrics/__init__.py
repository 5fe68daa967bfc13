"""Measures of codes and images: functions of arrays, which know nothing of models."""
