"""The `interaction` kind: layers from embeddings to features, judged by how well a ranker with them predicts."""
