"""The platform's first page."""

import datetime as dt

from django.utils import timezone

from tenants.models import Engagement, Tenant

PLATFORM = "platform.localhost"


def words(visit, user):
    answer = visit(user, PLATFORM).get("/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_brand_manager_finds_only_the_own_brand_to_enter(cast, visit, acme):
    page = words(visit, cast.brand_manager)
    assert "Tea House" in page
    assert "Acme Group" in page
    assert "Globex" not in page
    assert "Bakery" not in page
    assert "All groups" not in page


def test_a_provider_operator_sees_engagements_with_the_days_left(cast, visit):
    page = words(visit, cast.provider_operator)
    assert "Engagements" in page
    assert "through Provider" in page
    assert ">30<" in page


def test_an_engagement_that_is_over_says_so_and_its_grant_cannot_be_entered(cast, visit):
    Engagement.objects.update(ends_on=timezone.now().date() - dt.timedelta(days=1))
    page = words(visit, cast.provider_operator)
    assert "ended" in page
    assert "/enter/" not in page


def test_a_platform_operator_sees_every_group_with_its_state(cast, visit):
    Tenant.objects.create(
        schema_name="broken", name="Broken Group", status="failed", status_note="Nothing was made"
    )
    page = words(visit, cast.platform_operator)
    assert page.index("Broken Group") < page.index("Acme Group") < page.index("Globex Group")
    assert "Nothing was made" in page
    assert "/enter/" not in page


def test_a_person_without_any_grant_is_told_what_to_do(cast, visit):
    cast.guide.grants.all().delete()
    page = words(visit, cast.guide)
    assert "There is no group you may enter now" in page


def test_a_group_that_is_suspended_cannot_be_entered(cast, visit, acme):
    Tenant.objects.filter(pk=acme.pk).update(status=Tenant.Status.SUSPENDED)
    assert "/enter/" not in words(visit, cast.brand_manager)


def test_the_landing_page_asks_strangers_to_log_in(db, visit):
    answer = visit(None, PLATFORM).get("/")
    assert answer["Location"].startswith("/accounts/login/")
