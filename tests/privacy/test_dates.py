from datetime import date

import pytest

from scripts.privacy.dates import MonthNames, dates_in

MONTHS = MonthNames(
    [
        "january february march april may june july august september october november december",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "jaanuar veebruar märts aprill mai juuni juuli august september oktoober november detsember",
    ]
)
DAY = date(1951, 3, 12)


@pytest.mark.parametrize(
    "written",
    [
        "1951-03-12",
        "12/03/1951",
        "3/12/1951",
        "12.3.51",
        "19510312",
        "12031951",
        "12 March 1951",
        "March 12th, 1951",
        "12 de marzo de 1951",
        "12. märtsil 1951",
        "1951 Mar 12",
        "DOB:12 Mar\n1951.",
        "1951年3月12日",
        "生於1951年 3月 12日。",
        "1951년 3월 12일",
    ],
)
def test_one_day_in_many_forms(written):
    assert DAY in dates_in(written, MONTHS)


@pytest.mark.parametrize(
    "written",
    ["Mar 12/51", "13/03/1951", "12/13/1951", "12 mg 3 ml 1951", "12 March", "1/2", "99999999", "12 3 " + "1" * 40],
)
def test_other_days_and_no_days(written):
    assert DAY not in dates_in(written, MONTHS)


def test_a_short_date_has_both_readings_and_both_centuries():
    assert dates_in("1/2/03", MONTHS) == {date(y, m, d) for y in (1903, 2003) for m, d in ((1, 2), (2, 1))}


def test_a_list_of_months_is_whole():
    with pytest.raises(ValueError, match="2 names"):
        MonthNames(["january february"])
