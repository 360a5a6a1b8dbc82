"""The search of Gu and Tresp 2020: gates, proximal step, budget, objective."""
