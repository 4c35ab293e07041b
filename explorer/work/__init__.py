"""What the explorer computes, without a word of Streamlit."""
