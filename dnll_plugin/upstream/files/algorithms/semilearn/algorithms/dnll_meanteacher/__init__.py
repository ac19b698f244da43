# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

from .dnll_meanteacher import DNLLMeanTeacher
