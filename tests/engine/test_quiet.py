"""Quiet and loud stretches of mmengine's own loggers, which remember which levels they log."""

from mmengine.logging import MMLogger

from mmattn.engine.quiet import quiet


def test_a_logger_is_quiet_inside_and_logs_before_and_after(tmp_path):
    path = tmp_path / 'log.txt'
    logger = MMLogger('test_quiet', log_file=str(path), log_level='INFO')
    MMLogger._instance_dict['test_quiet'] = logger
    try:
        logger.info('before')
        with quiet():
            logger.info('inside')
        logger.info('after')
    finally:
        del MMLogger._instance_dict['test_quiet']
    text = path.read_text()
    assert 'before' in text and 'after' in text and 'inside' not in text
