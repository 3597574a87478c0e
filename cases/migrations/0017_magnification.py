"""The magnification of a case, and the camera by which it tells the scale."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cases", "0016_housekeeping")]

    operations = [
        migrations.AddField(
            model_name="laboratorysettings",
            name="camera_pixel_size",
            field=models.DecimalField(
                blank=True,
                decimal_places=3,
                help_text=(
                    "From the camera's data sheet, as a rule 1.5 to 10; times the binning, if "
                    "images are binned. With it a case's magnification tells micrometres per "
                    "pixel. A change holds for cases opened afterwards."
                ),
                max_digits=5,
                null=True,
                validators=[MinValueValidator(Decimal("0.5")), MaxValueValidator(Decimal(30))],
                verbose_name="side of a camera pixel, in micrometres",
            ),
        ),
        migrations.AddField(
            model_name="smearcase",
            name="magnification",
            field=models.DecimalField(
                blank=True,
                decimal_places=1,
                help_text=(
                    "From slide to camera: of the objective times that of the camera's adapter. "
                    "Micrometres per pixel follow from it and from the laboratory's camera."
                ),
                max_digits=4,
                null=True,
                validators=[MinValueValidator(Decimal(1)), MaxValueValidator(Decimal(250))],
                verbose_name="magnification",
            ),
        ),
    ]
