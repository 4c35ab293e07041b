"""How an update is made: plainly, or by a remedy against sharp minima."""
