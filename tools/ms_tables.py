# SPDX-License-Identifier: Apache-2.0
"""The operators of .ms files: facts of the format, a line each.

A line: the number in the union of primitives, the name, and the fields in the order of their ids, each as
NAME:TYPE, or NAME:TYPE=DEFAULT where the default is not 0.  A line that is indented goes on with the one above.
"""

# Of MSL2: MindSpore Lite 1.2 to 2.7.
UNIFIED = """\
1 Abs
2 Activation activation_type:byte alpha:float min_val:float max_val:float approximate:bool
3 ActivationGrad
4 Adam
5 AddFusion activation_type:byte
6 AdderFusion format:int kernel_size:longs stride:longs dilation:longs pad_mode:byte pad_list:longs
  group:long in_channel:long out_channel:long activation_type:byte
7 AddGrad
8 AddN
9 All keep_dims:long
10 ApplyMomentum
11 ArgMaxFusion axis:long top_k:long=1 keep_dims:bool out_max_value:bool
12 ArgMinFusion axis:long top_k:long keep_dims:bool out_max_value:bool
13 Assert summarize:long
14 Assign
15 AssignAdd
16 AudioSpectrogram window_size:long stride:long mag_square:bool
17 AvgPoolFusion kernel_size:longs strides:longs pad:longs pad_mode:byte round_mode:byte format:int
  global:bool activation_type:byte
18 AvgPoolGrad
19 BatchNorm epsilon:float format:int is_training:bool
20 BatchNormGrad
21 BatchToSpace block_size:longs crops:vec2d
22 BatchToSpaceND block_shape:longs crops:vec2d
23 BiasAdd format:int
24 BinaryCrossEntropy
25 BinaryCrossEntropyGrad
26 BiasAddGrad
27 BroadcastTo shape:longs
28 Cast
29 Ceil
30 Clip max:float min:float
31 Concat axis:long
32 Attention head_num:long head_size:long cross:bool scale:float
33 Conv2DBackpropFilterFusion
34 Conv2DBackpropInputFusion
35 Conv2DFusion format:int kernel_size:longs stride:longs dilation:longs pad_mode:byte
  pad_list:longs mode:long group:long in_channel:long out_channel:long activation_type:byte
36 Conv2dTransposeFusion format:int kernel_size:longs stride:longs dilation:longs pad_mode:byte
  pad:longs pad_list:longs mode:long group:long in_channel:long out_channel:long
  activation_type:byte output_paddings:longs
37 Cos
38 ConstantOfShape data_type:long value:floats
39 Crop axis:long offsets:longs
40 CustomExtractFeatures
41 CustomNormalize
42 CustomPredict output_num:long weight_threshold:float
43 DeConv2DGradFilter
44 Depend
45 DepthToSpace block_size:long format:int mode:text
46 DetectionPostProcess format:int input_size:long scale:floats nms_iou_threshold:float
  nms_score_threshold:float max_detections:long detections_per_class:long
  max_classes_per_detection:long num_classes:long use_regular_nms:bool out_quantized:bool
47 DivFusion activation_type:byte
48 DivGrad
49 Dropout keep_prob:float=0.5
50 DropoutGrad
51 Elu alpha:float
52 Eltwise mode:byte
53 Equal
54 EmbeddingLookupFusion max_norm:float
55 ExpFusion base:float=-1 scale:float=1.0 shift:float
56 ExpandDims
57 FakeQuantWithMinMaxVars num_bits:long narrow_range:bool
58 FakeQuantWithMinMaxVarsPerChannel num_bits:long narrow_range:bool
59 FftReal
60 FftImag
61 Flatten axis:long=1
62 FlattenGrad
63 Floor
64 FloorDiv
65 FloorMod
66 Fill
67 FullConnection has_bias:bool use_axis:bool axis:long activation_type:byte
68 FusedBatchNorm epsilon:float=0.0001 momentum:float=0.9 mode:long
69 Gather
70 GatherNd
71 Greater
72 GreaterEqual
73 HashtableLookup
74 InstanceNorm epsilon:float
75 LayerNormFusion begin_norm_axis:long epsilon:float=0.00001 elementwise_affine:bool
  begin_params_axis:long
76 LeakyRelu negative_slope:float
77 Less
78 LessEqual
79 Log
80 LogGrad
81 LogicalAnd
82 LogicalNot
83 LogicalOr
84 LpNormalization axis:long p:long
85 LRN depth_radius:long bias:float alpha:float beta:float norm_region:text
86 LshProjection type:byte
87 LSTM bidirectional:bool has_bias:bool input_size:long hidden_size:long num_layers:long
  num_directions:long dropout:float zoneout_cell:float zoneout_hidden:float proj_size:long
88 L2NormalizeFusion axis:longs epsilon:float activation_type:byte
89 MatMulFusion transpose_a:bool transpose_b:bool activation_type:byte
90 Maximum
91 MaximumGrad
92 MaxPoolFusion kernel_size:longs strides:longs pad:longs pad_mode:byte round_mode:byte format:int
  global:bool activation_type:byte
93 MaxPoolGrad
94 SwitchLayer
95 Mfcc freq_upper_limit:float freq_lower_limit:float filter_bank_channel_num:long
  dct_coeff_num:long
96 Minimum
97 MinimumGrad
98 Mod
99 MulFusion activation_type:byte
100 MulGrad
101 Neg
102 NegGrad
103 NotEqual
104 NonMaxSuppression center_point_box:long
105 OneHot axis:long
106 OnesLike
107 PadFusion paddings:vec2d padding_mode:byte constant_value:float
108 PartialFusion sub_graph_index:long
109 PowerGrad
110 PowFusion scale:float=1 shift:float
111 PriorBox min_sizes:longs max_sizes:longs aspect_ratios:floats variances:floats image_size_w:long
  image_size_h:long step_w:float step_h:float clip:bool flip:bool offset:float
112 PReLUFusion channel_shared:bool
113 QuantDTypeCast src_t:long dst_t:long axis:long
114 Rank
115 Range d_type:long start:long limit:long delta:long=1
116 Reciprocal
117 RealDiv
118 ReduceFusion keep_dims:bool mode:byte reduce_to_end:bool coeff:float
119 Reshape
120 Resize format:int method:byte new_height:long new_width:long preserve_aspect_ratio:bool
  coordinate_transform_mode:byte cubic_coeff:float exclude_outside:long extrapolation_value:float
  nearest_mode:byte
121 ReverseSequence seq_dim:long batch_dim:long
122 ReverseV2 axis:longs
123 Rfft fft_length:long
124 ROIPooling pooled_h:long pooled_w:long scale:float
125 Round
126 Rsqrt
127 ScaleFusion axis:long activation_type:byte
128 ScatterNd
129 SGD
130 Shape
131 SigmoidCrossEntropyWithLogits
132 SigmoidCrossEntropyWithLogitsGrad
133 Sin
134 SkipGram include_all_grams:bool max_skip_size:long ngram_size:long
135 SliceFusion axes:longs
136 SmoothL1Loss beta:float
137 SmoothL1LossGrad
138 Softmax axis:longs
139 SoftmaxCrossEntropyWithLogits
140 SpaceToBatch block_size:longs paddings:vec2d
141 SpaceToBatchND block_shape:longs paddings:vec2d
142 SpaceToDepth block_size:long format:int
143 SparseSoftmaxCrossEntropyWithLogits
144 SparseToDense
145 Split output_num:long size_splits:longs axis:long
146 Sqrt
147 Squeeze axis:longs
148 Square
149 SquaredDifference
150 Stack axis:long
151 StridedSlice begin_mask:long end_mask:long ellipsis_mask:long new_axis_mask:long
  shrink_axis_mask:long
152 SubFusion activation_type:byte
153 SubGrad
154 Switch
155 TensorListFromTensor element_dtype:long shape_type:long
156 TensorListGetItem element_dtype:long
157 TensorListReserve element_dtype:long shape_type:long
158 TensorListSetItem element_dtype:long
159 TensorListStack num_elements:long element_dtype:long
160 TileFusion dims:longs
161 TopKFusion sorted:bool=1 axis:long largest:long
162 Transpose
163 Unique
164 UnsortedSegmentSum
165 Unsqueeze axis:longs
166 Unstack axis:long
167 LSTMGrad
168 Where
169 ZerosLike
170 Select
171 ScatterNdUpdate
172 GRU bidirectional:bool
173 NonZero
174 InvertPermutation
175 Size
176 RandomStandardNormal seed:long seed2:long
177 CropAndResize method:byte extrapolation_value:float
178 Erf
179 StridedSliceGrad
180 IsFinite
181 LinSpace
182 UniformReal seed:long seed2:long
183 AbsGrad
184 RsqrtGrad
185 SqrtGrad
186 LayerNormGrad
187 ResizeGrad
188 Splice context:longs forward_indexes:longs output_dim:long
189 LogSoftmax axis:long
190 Call is_tail_call:bool=1
191 Custom type:text attr:attributes
192 CumSum exclusive:bool reverse:bool
193 SplitWithOverlap split_dim:long number_split:long ratio:longs extend_top:longs
  extend_bottom:longs
194 GenOP activation_type:byte alpha:float min_val:float max_val:float is_training:bool format:int
  kernel_size:longs stride:longs dilation:longs pad_mode:byte pad_list:longs mode:long group:long
  in_channel:long out_channel:long eltwise_mode:byte has_bias:bool use_axis:bool axis:long
  epsilon:float=0.0001 momentum:float=0.9 transpose_a:bool transpose_b:bool pad:longs
  round_mode:byte global:bool channel_shared:bool axes:longs keep_dims:bool reduce_mode:byte
  reduce_to_end:bool coeff:float
195 RaggedRange
196 GLU axis:long=-1
197 TensorArray dynamic_size:bool identical_element_shapes:bool element_shape:ints data_type:int
198 TensorArrayRead
199 TensorArrayWrite
200 Affine context:longs output_dim:long activation_type:byte transpose_a:bool transpose_b:bool
201 AllGather group:text rank_size:int
202 ReduceScatter group:text mode:byte rank_size:int
203 DynamicQuant symmetric:bool dst_type:long=32 activation_channel:bool prefer_axis:long
  transpose:bool prefer_axes:ints
204 LSTMGradData
205 LSTMGradWeight
206 RandomNormal seed:float mean:float scale:float
207 NLLLoss reduction:byte
208 NLLLossGrad
209 FormatTranspose src_format:int=1 dst_format:int=1
210 GatherD
211 GroupNormFusion num_groups:long epsilon:float=1e-5 affine:bool=1
212 Log1p
213 TensorScatterAdd
214 SparseFillEmptyRows
215 SparseReshape
216 SparseSegmentSum
217 ScatterElements axis:long
218 Triu
219 Tril
220 AdamWeightDecay
221 FillV2
"""

# Of files of MSL1 and of those without an identifier: 1.0 and 1.1.
OLD = """\
1 Concat axis:int n:int
2 SoftMax axis:int=-1
3 Activation type:byte alpha:float=0.2 min_val:float=-1.0 max_val:float=1.0
4 Conv2D format:int group:int channelIn:int channelOut:int kernelW:int kernelH:int strideW:int
  strideH:int padMode:byte padUp:int padDown:int padLeft:int padRight:int dilateW:int dilateH:int
  hasBias:bool activationType:byte
5 FusedBatchNorm epsilon:float=0.00001 momentum:float=0.9 spatial:int=1
6 BatchNorm epsilon:float=0.00001
7 BiasAdd axis:ints
8 Pooling format:int poolingMode:byte global:bool windowW:int windowH:int strideW:int strideH:int
  padMode:byte padUp:int padDown:int padLeft:int padRight:int roundMode:byte activationType:byte
  avgMode:int
9 ROIPooling pooledH:int pooledW:int scale:float
10 DepthwiseConv2D format:int channelIn:int channelMultiplier:int kernelW:int kernelH:int
  strideW:int strideH:int padMode:byte padUp:int padDown:int padLeft:int padRight:int dilateW:int
  dilateH:int hasBias:bool activationType:byte
11 DeDepthwiseConv2D format:int channelIn:int channelMultiplier:int kernelW:int kernelH:int
  strideW:int strideH:int padMode:byte padUp:int padDown:int padLeft:int padRight:int dilateW:int
  dilateH:int hasBias:bool activationType:byte
12 Resize format:int method:byte newHeight:long newWidth:long alignCorners:bool
  preserveAspectRatio:bool coordinateTransformMode:byte cubicCoeff:float excludeOutside:int
  extrapolationValue:float nearestMode:byte
13 DetectionPostProcess format:int inputSize:int hScale:float wScale:float xScale:float yScale:float
  NmsIouThreshold:float NmsScoreThreshold:float MaxDetections:long DetectionsPerClass:long
  MaxClassesPerDetection:long NumClasses:long UseRegularNms:bool OutQuantized:bool
14 FullConnection hasBias:bool axis:int useAxis:bool activationType:byte
15 Mean axis:ints keepDims:bool
16 DeConv2D format:int group:int channelIn:int channelOut:int kernelW:int kernelH:int strideW:int
  strideH:int padMode:byte padUp:int padDown:int padLeft:int padRight:int dilateW:int dilateH:int
  hasBias:bool activationType:byte
17 Scale axis:int activationType:byte
18 Reshape format:int shape:longs
19 Eltwise mode:byte
20 NetOutput
21 Add activationType:byte
22 Sub activationType:byte
23 MatMul broadcast:bool transposeA:bool transposeB:bool
24 StridedSlice beginMask:int endMask:int ellipsisMask:int newAxisMask:int shrinkAxisMask:int
  begin:ints end:ints stride:ints isScale:ints
25 Power power:float scale:float shift:float
26 Slice format:int axes:ints begin:ints size:ints
27 Stack axis:int n:int isScale:ints
28 Mul activationType:byte
29 RealDiv
30 Pad paddings:ints paddingMode:byte constantValue:float
31 Maximum
32 Minimum
33 PReLU channelShared:bool slope:floats
34 LeakyReLU negativeSlope:float
35 ArgMax axis:int outMaxValue:bool topK:int=1 keepDims:bool axisType:int
36 ArgMin axis:int outMaxValue:bool topK:int=1 keepDims:bool axisType:int
37 Exp base:float=-1.0 scale:float=1.0 shift:float
38 Crop axis:long offsets:longs
39 Range dType:int start:int limit:int delta:int=1
40 Rsqrt
41 ExpandDims dim:int
42 Tile multiples:ints dims:ints
43 Cast srcT:int dstT:int
44 Shape
45 Nchw2Nhwc
46 Nhwc2Nchw
47 QuantDTypeCast srcT:int dstT:int
48 Split numberSplit:int sizeSplits:ints splitDim:int
49 Permute order:longs
50 FakeQuantWithMinMaxVars narrowRange:bool numBits:int
51 Equal
52 Less
53 Greater
54 NotEqual
55 LessEqual
56 GreaterEqual
57 Min
58 Floor
59 Abs
60 Neg
61 Cos
62 Sin
63 Sqrt
64 Square
65 Constant
66 Log
67 Tan
68 Atan
69 Asin
70 Clip max:float min:float
71 Transpose perm:ints conjugate:bool
72 Squeeze axis:ints
73 Unsqueeze axis:ints
74 Upsample mode:text scales:floats
75 Dropout ratio:float=0.5
76 Broadcast
77 BroadcastTo dst_shape:ints
78 Lrn alpha:float=0.0001 beta:float=0.75 bias:float=1.0 size:int
79 ZerosLike
80 TopK k:int sorted:bool=1
81 SpaceToDepth blockSize:int format:int
82 SpaceToBatch blockShape:ints paddings:ints
83 SparseToDense validateIndices:bool
84 ReverseSequence seqAxis:int batchAxis:int
85 Rank
86 Gather axis:int batchDims:int
87 GatherNd batchDims:int
88 Fill dims:ints
89 Elu alpha:float=1.0
90 DepthToSpace blockSize:int format:int
91 BatchToSpace blockShape:ints crops:ints
92 AddN N:int
93 Ceil
94 EmbeddingLookup maxNorm:float
95 EmbeddingLookupSparse spIds:ints spWeights:floats maxNortm:float
96 FloorDiv
97 FloorMod
98 L2Norm axis:ints epsilon:float activationType:byte
99 LocalResponseNormalization depth_radius:int bias:float alpha:float beta:float
100 MatrixDiag k:int numRows:int numCols:int paddingValue:float
101 Reduce axes:ints keepDims:int mode:byte reduceToEnd:bool coeff:float=1.0
102 Reverse axis:ints
103 Round
104 Select
105 Scatter
106 ScatterND
107 ConstantOfShape dataType:int value:floats
108 Unique outType:int
109 Unstack num:int axis:int
110 LogicalAnd
111 LogicalOr
112 LogicalXor
113 LogicalNot
114 OnnxInt8Quantize
115 OnnxInt8Dequantize
116 FakeQuantWithMinMax
117 FakeQuantWithMinMaxPerChannel
118 BatchNormFold
119 MulFold
120 AddFold
121 SquaredDifference
122 Flatten
123 FlattenGrad
124 TupleGetItem
125 Div activationType:byte
126 Where condition:bools
127 OneHot axis:int
128 Lstm bidirection:bool
129 Conv2DGradFilter
130 Conv2DGradInput
131 PoolingGrad
132 BNGrad
133 Assign
134 ApplyMomentum
135 BiasGrad
136 SoftmaxCrossEntropy
137 AddGrad
138 SubGrad
139 MulGrad
140 DivGrad
141 PowerGrad
142 ActivationGrad
143 PriorBox min_sizes:ints max_sizes:ints aspect_ratios:floats variances:floats image_size_w:int
  image_size_h:int step_w:float step_h:float clip:bool=1 flip:bool=1 offset:float
144 SpaceToBatchND blockShape:ints paddings:ints
145 Depend
146 Return
147 MakeTuple
148 ToFormat srcT:int dstT:int
149 Proposal feat_stride:float base_size:float min_size:float ratio:floats scale:floats
  pre_nms_topn:int post_nms_topn:int nms_thresh:float
150 Custom custom:bytes
151 BlackBox id:text size:int address:bytes
152 NegGrad
153 LogGrad
154 BatchToSpaceND blockShape:ints crops:ints
155 LshProjection type:byte
156 HashtableLookup
157 SkipGram includeAllGrams:bool maxSkipSize:int ngramSize:int
158 DeConv2DGradFilter
159 CustomPredict outputNum:int weightThreshold:float
160 CustomNormalize
161 CustomExtractFeatures
162 AudioSpectrogram windowSize:int stride:int magSquare:bool
163 Mfcc freqUpperLimit:float freqLowerLimit:float filterBankChannelNum:int dctCoeffNum:int
164 Rfft fftLength:int
165 FftReal
166 FftImag
167 Sgd
168 Adam
169 GroupConv2DGradInput
170 Loop subGraphIndex:int
171 NonMaxSuppression centerPointBox:int
172 InstanceNorm epsilon:float=0.00001
173 Identity
174 LayerNorm normalizedShape:ints epsilon:float=0.00001 elementwiseAffine:bool
175 While condSubgraphIndex:int bodySubgraphIndex:int
176 ControlDepend
177 UnsortedSegmentSum numSegments:int
178 AssignAdd
179 OnesLike
180 BinaryCrossEntropyGrad
181 BinaryCrossEntropy
182 LpNormalization axis:int p:int
183 DropoutGrad
184 MaximumGrad
185 MinimumGrad
186 Switch
187 Partial subGraphIndex:int
188 TensorListFromTensor elementDType:int shapeType:int
189 TensorListStack numElements:int elementDType:int
190 TensorListGetItem elementDType:int
191 TensorListSetItem elementDType:int
192 TensorListReserve elementDType:int shapeType:int
193 All keepDims:int
194 Assert summarize:int
195 Adder format:int group:int channelIn:int channelOut:int kernelW:int kernelH:int strideW:int
  strideH:int padMode:byte padUp:int padDown:int padLeft:int padRight:int dilateW:int dilateH:int
  hasBias:bool activationType:byte
196 SparseSoftmaxCrossEntropy
197 SmoothL1Loss beta:float
198 SmoothL1LossGrad
199 SigmoidCrossEntropyWithLogits
200 SigmoidCrossEntropyWithLogitsGrad
201 Reciprocal
202 Merge
203 Mod
204 GeLU approximate:bool
"""
