_base_ = 'sda/sda-resnet86_4xb64_in1k.py'
