"""From folders to the Hub: model with card, data set and Space, checked in fresh processes before and after."""
