_base_ = 'epsanet/epsanet50_8xb32_in1k.py'
