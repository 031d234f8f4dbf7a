"""The `interaction` kind: layers over embeddings, judged by how well a ranker with them predicts."""
