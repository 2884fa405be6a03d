_base_ = 'ema/ema-resnet50_4xb64_in1k.py'
