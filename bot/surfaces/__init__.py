"""What people are shown, as plain facts."""
