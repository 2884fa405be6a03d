_base_ = 'mspanet/mspanet-b50_4xb64_in1k.py'
