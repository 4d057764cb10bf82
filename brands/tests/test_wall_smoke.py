"""A first look through the wall."""

import pytest

from brands.models import Brand
from brands.wall import scope
from members.models import Person, Profile


def test_a_brand_manager_sees_own_members_and_a_sibling_does_not(in_acme, cast, seeing, rows_of):
    tea = Brand.objects.get(code="tea")
    with scope.bulk(reason="test"):
        Profile.objects.create(brand=tea, person=Person.objects.create(), member_no="T1")
    with seeing(cast.brand_manager):
        assert Profile.objects.count() == 1
        assert rows_of("SELECT member_no FROM members_profile") == [("T1",)]
        assert rows_of("SELECT current_user") == [("sluice_app",)]
    with seeing(cast.sibling_manager):
        assert Profile.objects.count() == 0
        assert rows_of("SELECT member_no FROM members_profile") == []


def test_reading_members_without_a_scope_raises(in_acme):
    with pytest.raises(scope.ScopeRequired):
        Profile.objects.count()
