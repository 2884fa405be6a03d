_base_ = 'spem/spem-resnet50_4xb64_in1k.py'
