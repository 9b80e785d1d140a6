"""Where two runtimes part: every module's output beside the reference's, one at a time.

The reference's trace lies in a temporary folder, so that memory holds one activation, not all.
"""
