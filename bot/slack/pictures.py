"""Pictures as PNG: a month's spend by day for Home, where Slack has no chart block, and QR codes of links. Pure."""

import io
from calendar import monthrange
from datetime import date

import qrcode
from PIL import Image, ImageDraw, ImageFont
from qrcode.constants import ERROR_CORRECT_L, ERROR_CORRECT_M

from bot.facts import MonthFacts

SCALE = 2
WIDTH, HEIGHT = 680, 200
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 26, 24
QR_PIXELS_MIN = 800
INK, SOFT, BAR, WEEKEND, PEAK = "#1D1C1D", "#8D8D92", "#3B7DD8", "#A9C7EE", "#E01E5A"


def spend_by_day(month: MonthFacts) -> bytes:
    """Draw one bar a day as a PNG; weekends are paler, the costliest day is red and carries its amount."""
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "#FFFFFF")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=11 * SCALE)
    first = date.fromisoformat(f"{month.month}-01")
    count = monthrange(first.year, first.month)[1]
    days = {date.fromisoformat(day.day).day: day.spent for day in month.days}
    most = max((spent.micros for spent in days.values()), default=0)
    slot = (WIDTH - LEFT - RIGHT) * SCALE // count
    floor = (HEIGHT - BOTTOM) * SCALE
    room = (HEIGHT - TOP - BOTTOM) * SCALE
    draw.line([(LEFT * SCALE, floor), ((WIDTH - RIGHT) * SCALE, floor)], fill="#DDDDDD", width=SCALE)
    for number in range(1, count + 1):
        left = LEFT * SCALE + (number - 1) * slot
        if number == 1 or number % 5 == 0:
            draw.text((left + slot // 2, floor + 6 * SCALE), str(number), font=font, fill=SOFT, anchor="ma")
        spent = days.get(number)
        if spent is None or spent.micros <= 0 or most == 0:
            continue
        top = floor - max(SCALE, room * spent.micros // most)
        is_peak = spent.micros == most
        weekend = first.replace(day=number).weekday() >= 5
        colour = PEAK if is_peak else WEEKEND if weekend else BAR
        draw.rounded_rectangle(
            [left + 2 * SCALE, top, left + slot - 2 * SCALE, floor - SCALE], radius=2 * SCALE, fill=colour
        )
        if is_peak:
            at = min(max(left + slot // 2, 40 * SCALE), (WIDTH - 40) * SCALE)
            draw.text((at, top - 4 * SCALE), str(spent), font=font, fill=INK, anchor="md")
    target = io.BytesIO()
    image.save(target, "PNG", optimize=True)
    return target.getvalue()


def qr_code(url: str, *, dense: bool) -> bytes:
    """Draw a link as a QR code. `dense` is for long links: the least redundancy, and large modules all the same."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_L if dense else ERROR_CORRECT_M, border=4)
    code.add_data(url)
    code.make(fit=True)
    modules = code.modules_count + 8
    code.box_size = -(-QR_PIXELS_MIN // modules)
    target = io.BytesIO()
    code.make_image().save(target, "PNG")
    return target.getvalue()
