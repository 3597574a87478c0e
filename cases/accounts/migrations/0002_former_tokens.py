"""Drop the library's own table of tokens, which ``cases.ApiToken`` replaces.

Its rows pointed at users, whom nobody could delete with them. The tokens were good for hours.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_invitations")]

    operations = [
        migrations.RunSQL("DROP TABLE IF EXISTS knox_authtoken", migrations.RunSQL.noop),
    ]
