# ruff: noqa: E501 - names of tests are sentences
"""Everything that can carry a member's data, and the test that shows whom it reaches.

`discover` finds the left side by looking at the code; whatever has no row here fails the suite.
The right side is the test that shows, with a control that does get the data, that a sibling brand,
another group and HQ beyond the mode do not; or "none:" and why no member's data can be in it.

Pages have a table of their own, one line for each URL and role: `url_matrix`. Tables behind the
wall need no row: `brands/tests/test_wall_mutants.py` takes every one of them.
"""

from __future__ import annotations

_PATHS = {
    "URLS": "config/tests/test_urls_matrix.py",
    "HERE": "config/tests/test_isolation.py",
    "LOGS": "config/tests/test_logs.py",
}


def _rows(text: str) -> dict[str, str]:
    """Return name → test, or why there is none; a name of `_PATHS` stands for its file."""
    rows: dict[str, str] = {}
    for line in text.strip().splitlines():
        name, _, shown = line.partition(" | ")
        file, colons, test = shown.strip().partition("::")
        rows[name.strip()] = f"{_PATHS.get(file, file)}{colons}{test}"
    return rows


MATRIX: dict[str, dict[str, str]] = {
    "admin page": _rows("""
group_admin brands.Brand: search inlines export import | brands/tests/test_wall_pages.py::test_no_admin_lists_walled_rows
group_admin brands.BusinessUnit: search export import | brands/tests/test_wall_pages.py::test_no_admin_lists_walled_rows
group_admin brands.ChannelAccount: search | brands/tests/test_wall_pages.py::test_no_admin_lists_walled_rows
group_admin brands.Guide: search autocomplete export import | brands/tests/test_spreadsheets.py::test_an_export_holds_the_own_rows_and_comes_back_unchanged
group_admin brands.ModeChange: - | brands/tests/test_wall_pages.py::test_no_admin_lists_walled_rows
group_admin brands.Store: search inlines export import | brands/tests/test_spreadsheets.py::test_an_export_holds_the_own_rows_and_comes_back_unchanged
group_admin tenants.AuditEvent: search | brands/tests/test_admin.py::test_the_audit_shows_the_own_groups_events_and_none_can_be_written
group_admin tenants.Grant: search actions | brands/tests/test_admin.py::test_only_hq_admins_see_grants_and_the_audit
platform_admin tenants.AuditEvent: search | tenants/tests/test_admin.py::test_the_platforms_audit_leaves_out_what_happens_inside_groups
platform_admin tenants.Domain: search | tenants/tests/test_admin.py::test_nobody_else_opens_the_platforms_admin
platform_admin tenants.Engagement: search | tenants/tests/test_admin.py::test_nobody_else_opens_the_platforms_admin
platform_admin tenants.Grant: search actions | tenants/tests/test_admin.py::test_nobody_else_opens_the_platforms_admin
platform_admin tenants.ServiceProvider: search inlines | tenants/tests/test_admin.py::test_nobody_else_opens_the_platforms_admin
platform_admin tenants.Tenant: search | tenants/tests/test_admin.py::test_nobody_else_opens_the_platforms_admin
platform_admin tenants.User: search actions inlines | tenants/tests/test_admin.py::test_nobody_else_opens_the_platforms_admin
"""),
    "API act": _rows("""
GET api/v1/ | none: the token's own name, grant and actions
GET api/v1/consents/entries/<int:entry_id>/ | members/tests/test_api.py::test_a_siblings_entry_is_not_there
GET api/v1/events/ | members/tests/test_wall_api_activity.py::test_the_api_shows_of_events_and_tags_what_the_table_says
GET api/v1/jobs/batches/ | members/tests/test_intake.py::test_a_line_needs_the_action_and_the_brand_of_the_token
GET api/v1/jobs/batches/<uuid:batch_id>/ | members/tests/test_intake.py::test_a_line_needs_the_action_and_the_brand_of_the_token
GET api/v1/jobs/exports/ | members/tests/test_exports.py::test_an_export_is_the_askers_alone
GET api/v1/jobs/exports/<uuid:export_id>/ | members/tests/test_exports.py::test_an_export_is_the_askers_alone
GET api/v1/jobs/imports/ | members/tests/test_wall_api_activity.py::test_the_api_shows_of_events_and_tags_what_the_table_says
GET api/v1/jobs/imports/<int:job_id>/ | members/tests/test_wall_api_activity.py::test_the_api_shows_of_events_and_tags_what_the_table_says
GET api/v1/orders/ | members/tests/test_wall_api_activity.py::test_the_api_shows_of_events_and_tags_what_the_table_says
GET api/v1/segments/ | members/tests/test_wall_api_activity.py::test_the_api_shows_of_events_and_tags_what_the_table_says
GET api/v1/segments/<slug:segment>/members/ | members/tests/test_wall_api_activity.py::test_the_api_shows_of_events_and_tags_what_the_table_says
GET api/v1/tags/ | members/tests/test_wall_api_activity.py::test_the_api_shows_of_events_and_tags_what_the_table_says
GET api/v1/tags/<int:tag_id>/members/ | members/tests/test_wall_api_activity.py::test_the_api_shows_of_events_and_tags_what_the_table_says
GET api/v1/touchpoints/ | members/tests/test_wall_api_activity.py::test_the_api_shows_of_events_and_tags_what_the_table_says
GET api/v1/members/<int:profile_id>/tags/ | members/tests/test_wall_api_activity.py::test_the_api_shows_of_events_and_tags_what_the_table_says
GET api/v1/schema/ | none: the API's description, which holds no data
ANY api/v1/docs/ | none: the API's description, which holds no data
POST api/v1/batch/ | members/tests/test_intake.py::test_a_line_needs_the_action_and_the_brand_of_the_token
GET api/v1/members/ | members/tests/test_wall_api_and_exports.py::test_the_api_shows_what_the_table_says
GET api/v1/members/<int:profile_id>/ | members/tests/test_wall_api_and_exports.py::test_the_api_shows_what_the_table_says
GET api/v1/members/<int:profile_id>/consents/ | members/tests/test_api.py::test_what_is_not_the_tokens_is_not_there
GET api/v1/members/<int:profile_id>/orders/ | members/tests/test_wall_api_and_exports.py::test_the_api_shows_what_the_table_says
GET api/v1/notices/ | none: the group's own words to everybody
GET api/v1/visibility/ | members/tests/test_api.py::test_rules_are_told
POST api/v1/consents/ | members/tests/test_api.py::test_each_line_of_a_batch_stands_for_itself
"""),
    "job": _rows("""
brands.follow_mode_change | HERE::test_a_job_gives_nobody_its_rows
brands.preview_mode | brands/tests/test_mode_preview.py::test_small_cells_of_brands_in_brand_max_stay_out_of_the_preview
brands.publish_notice | none: a notice and its texts
brands.sweep_modes | none: drafts and previews, which hold counts the wall allows
members.apply_decisions | members/tests/test_persons.py::test_a_brand_decides_about_its_own_members_alone
members.apply_intake | members/tests/test_intake.py::test_a_line_needs_the_action_and_the_brand_of_the_token
members.sweep_intake | members/tests/test_intake.py::test_a_line_needs_the_action_and_the_brand_of_the_token
members.count_answers | members/tests/test_answer_figures.py::test_hq_is_told_of_an_open_brand_and_nothing_of_a_closed_one
members.expire_answers | HERE::test_a_job_gives_nobody_its_rows
members.purge_uploads | members/tests/test_import_upkeep.py::test_an_upload_waits_a_week_for_its_columns
members.record_answers | members/tests/test_services.py::test_strangers_rows_are_not_touched
members.refresh_strata | members/tests/test_strata.py::test_orders_elsewhere_count_only_where_everybody_who_reads_the_stratum_may_read_them
members.resolve_persons | members/tests/test_persons.py::test_a_change_of_the_rules_resolves_the_group_anew
members.resume_exports | members/tests/test_exports.py::test_a_file_in_chunks_holds_every_row_once_and_a_job_runs_once
members.resume_imports | members/tests/test_import_upkeep.py::test_a_finished_job_is_left_alone
members.run_export | members/tests/test_wall_api_and_exports.py::test_an_export_holds_what_the_table_says
members.count_retention | members/tests/test_retention.py::test_rules_take_what_they_count_and_nothing_before_a_second_admin_approves
members.run_retention | members/tests/test_retention.py::test_rules_take_what_they_count_and_nothing_before_a_second_admin_approves
members.run_rights | members/tests/test_rights_requests.py::test_hq_acts_on_what_the_wall_shows_and_brands_are_asked_for_the_rest
members.sweep_rights | members/tests/test_rights_requests.py::test_hq_acts_on_what_the_wall_shows_and_brands_are_asked_for_the_rest
members.rotate_keys | members/tests/test_rotation.py::test_a_data_key_is_changed_in_steps_that_may_be_killed
members.run_import | members/tests/test_import_commands.py::test_the_task_refuses_the_public_schema
members.sweep_answers | members/tests/test_services.py::test_strangers_rows_are_not_touched
members.sweep_exports | members/tests/test_exports.py::test_the_sweep_deletes_what_no_longer_holds_and_keeps_the_rest
members.sweep_keys | members/tests/test_rotation.py::test_a_data_key_is_changed_in_steps_that_may_be_killed
members.look_for_likely | members/tests/test_likely.py::test_a_model_suggests_whom_slips_of_the_hand_keep_apart
members.sweep_persons | members/tests/test_persons.py::test_a_brand_decides_about_its_own_members_alone
members.sweep_strata | members/tests/test_strata.py::test_orders_elsewhere_count_only_where_everybody_who_reads_the_stratum_may_read_them
tenants.tasks.check_all_audits | tenants/tests/test_audit_pages.py::test_each_night_all_chains_are_checked_and_their_ends_noted
tenants.tasks.check_audit | tenants/tests/test_audit_pages.py::test_hq_asks_for_a_check_and_reads_that_all_events_fit
tenants.tasks.provision_tenant | tenants/tests/test_tasks.py::test_provisioning_twice_leaves_the_group_as_it_is
tenants.tasks.purge_expired | none: sessions and hand-offs, deleted
tenants.tasks.refill_spares | none: empty schemas
"""),
    "command": _rows("""
catalogues | none: translations
createsuperuser | none: refuses, and says which command there is
demo | none: invented people
figures | HERE::test_what_commands_print_names_no_member
first_operator | tenants/tests/test_first_operator.py::test_a_second_operator_is_made_only_when_asked_for
import_consents | HERE::test_what_commands_print_names_no_member
import_file | members/tests/test_import_commands.py::test_a_file_of_any_kind_is_imported_by_its_part_and_source
import_members | HERE::test_what_commands_print_names_no_member
import_orders | HERE::test_what_commands_print_names_no_member
migrate_groups | none: numbers of migrations
serve | none: starts the processes, whose logs LOGS shows
services | none: starts the embedded services
verify_audit | HERE::test_what_commands_print_names_no_member
verify_certificate | members/tests/test_rights_requests.py::test_a_certificate_holds_until_a_letter_of_it_is_changed
verify_metrics | HERE::test_what_commands_print_names_no_member
verify_persons | HERE::test_what_commands_print_names_no_member
rotate_group_keys | none: prints names of groups and numbers of rows
rotate_master_key | none: prints names of groups and numbers of rows
"""),
    "file": _rows("""
config/catalogues.py:save | none: translations
config/demo/big.py:write_files | none: invented people
config/demo/harbor.py:_write | none: invented people
config/demo/harbor.py:write_files | none: invented people
config/demo/journey.py:write_files | none: invented people
config/embedded/__main__.py:_folder | config/tests/test_embedded.py::test_only_the_owner_of_the_folder_can_read_the_keys
config/embedded/folder.py:VarFolder.write_values | config/tests/test_embedded.py::test_only_the_owner_of_the_folder_can_read_the_keys
config/embedded/postgres.py:Postgres._initialise | none: who may connect
config/embedded/postgres.py:Postgres.start | LOGS::test_the_servers_own_log_quotes_no_row
config/embedded/valkey.py:Valkey.start | none: Valkey's log names no key and no value
config/serving.py:collect_static | none: the product's own pictures and styles
members/rights/files.py:_left_out | members/tests/test_rights_erasure.py::test_of_a_thousand_erased_nothing_is_left_and_of_a_thousand_others_everything
members/exports/files.py:create | members/tests/test_exports.py::test_an_export_is_the_askers_alone
members/imports/report.py:append_rejected | members/tests/test_exports.py::test_rejected_rows_of_an_import_are_given_back_under_the_same_grant_alone
members/imports/containers.py:_create | members/tests/test_import_preview.py::test_a_person_chooses_a_sheet_of_a_workbook_in_an_archive
members/imports/workbooks.py:_write_rows | members/tests/test_import_preview.py::test_who_sees_no_contact_data_sees_outcomes_and_no_cells
members/imports/rejects.py:mended_rows | members/tests/test_import_life.py::test_a_mended_file_may_have_lost_what_it_had_been_given
members/imports/uploads.py:_create | members/tests/test_import_pages.py::test_headings_that_are_a_members_cells_stay_with_those_who_may_read_the_file
members/imports/uploads.py:keep_file | members/tests/test_import_upkeep.py::test_a_file_on_another_disk_is_copied_and_stays_too
members/imports/files.py:opened | members/tests/test_import_upkeep.py::test_rejected_rows_wait_a_month_to_be_mended
members/views/exports.py:export_file | members/tests/test_exports.py::test_after_a_switch_the_file_is_gone_and_asking_again_gives_what_may_be_seen
members/views/imports.py:import_rejected | members/tests/test_exports.py::test_rejected_rows_of_an_import_are_given_back_under_the_same_grant_alone
tenants/admin/audit.py:AuditEventAdmin.export_view | tenants/tests/test_audit_pages.py::test_the_file_holds_the_own_chain_with_numbers_and_seals_and_no_formula
tenants/audit_checks.py:file_of | tenants/tests/test_audit_pages.py::test_the_file_holds_the_own_chain_with_numbers_and_seals_and_no_formula
"""),
    "kept answer": _rows("""
brands/admin/resources.py:HierarchyResource._find.find | none: units, brands and stores, for one upload
brands/dashboard.py:kept | members/tests/test_panels.py::test_a_kept_panel_is_never_given_to_another_scope
members/api/description.py:description | none: the API's description
members/contacts.py:_cipher | none: ciphers by their keys
members/imports/member_rows.py:instant_of | none: instants by their text
members/imports/member_rows.py:_micros | none: instants by their text
members/imports/member_rows.py:minor_until | none: birthdays by their text, of nobody, in a bulk worker
members/imports/members.py:MemberChunks.__init__ | none: days by their text
tenants/audit_chain.py:_keys | none: keys of seals
members/keys.py:_kept | none: keys of a group by its rows, under the group's name; no member's data
tenants/master_key.py:_provider | none: what wraps keys
tenants/master_key.py:derived | none: derived keys
tenants/provisioning.py:_table_ddl | none: statements that make tables
tenants/provisioning.py:schema_ddl | none: statements that make tables
"""),
    "search": _rows("""
members/member_list.py:MemberFilter.q | brands/tests/test_wall_pages.py::test_searching_finds_no_contact_data_that_the_wall_hides
tenants/sites.py:SluiceSite.search | config/tests/test_frame.py::test_the_palette_keeps_nothing_from_one_grant_for_another
"""),
    "log line": _rows("""
brands/admin/spreadsheets.py: An import of %s failed after its preview: %s | LOGS::test_an_exception_given_as_an_argument_is_named_alone
brands/changes/follow_up.py: recompute %s of %s | LOGS::test_a_job_that_fails_logs_where_and_not_whom
brands/changes/preview.py: preview of %s in %s | LOGS::test_a_job_that_fails_logs_where_and_not_whom
members/intake/applying.py: intake of %s: %s | LOGS::test_a_job_that_fails_logs_where_and_not_whom
members/rights/work.py: request %s %s | LOGS::test_a_job_that_fails_logs_where_and_not_whom
members/consents/entries.py: answer %s %s | LOGS::test_a_job_that_fails_logs_where_and_not_whom
members/identity/decisions.py: decision %s %s | LOGS::test_a_job_that_fails_logs_where_and_not_whom
members/exports/files.py: export %s of %s names a file that is not its own | none: a job's number and its group's name
members/identity/likely.py: Brand %s has too many members to look for likely pairs. Its suggestions were kept. | none: a brand's short name
members/key_checks.py: the keys of %s cannot be opened; other groups go on | none: a group's name
members/key_checks.py: the keys of %s more groups cannot be opened | none: a number of groups
members/imports/pipeline.py: import %s of %s names a file that is not its own | none: a job's number and its group's name
members/imports/upkeep.py: import %s of %s names a file that is not its own | none: a job's number and its group's name
members/imports/pipeline.py: import %s of %s goes on in another worker | none: the numbers of a job and its group's name
members/imports/undo.py: undoing %s of %s goes on in another worker | none: the numbers of a job and its group's name
tenants/context.py: in %s | LOGS::test_a_job_that_fails_logs_where_and_not_whom
tenants/audit_checks.py: audit: the chain of group %s does not fit. %s | none: the numbers of a group and an event
tenants/audit_checks.py: audit: the platform's chain ends with %s:%s | none: a number and a digest
"""),
    "print": _rows("""
config/embedded/__main__.py:main | none: before Django is there
config/embedded/__main__.py:say | none: before Django is there
config/embedded/supervisor.py:Supervisor._say | none: names and ends of processes
"""),
    "error page": _rows("""
403_csrf.html | config/tests/test_frame.py::test_a_form_without_its_token_is_refused_in_words
404.html | URLS::test_a_stranger_cannot_tell_forbidden_from_absent
404_framed.html | config/tests/test_frame.py::test_a_page_that_is_not_there_says_so_and_keeps_the_navigation_of_who_has_a_place
500.html | LOGS::test_a_request_that_fails_logs_where_and_not_whom
error.html | URLS::test_a_stranger_cannot_tell_forbidden_from_absent
members/export_gone.html | members/tests/test_exports.py::test_after_a_switch_the_file_is_gone_and_asking_again_gives_what_may_be_seen
tenants/handoff_refused.html | tenants/tests/test_handoff.py::test_an_invented_link_keeps_the_person_who_was_logged_in
tenants/looking_refused.html | none: says that looking as a role ended
"""),
    "table outside the wall": _rows("""
brands.Brand | none: names of brands
brands.BusinessUnit | none: names of units
brands.ChannelAccount | none: the group's own accounts
brands.Generation | none: counters of changes
brands.Guide | none: staff, who are not members
members.GroupTag | none: words of HQ's dictionary
members.ConsentEvidence | members/tests/test_rights_erasure.py::test_of_a_thousand_erased_nothing_is_left_and_of_a_thousand_others_everything
members.ErasedIdentifier | members/tests/test_rights_erasure.py::test_of_a_thousand_erased_nothing_is_left_and_of_a_thousand_others_everything
members.ImportChange | members/tests/test_rights_erasure.py::test_of_a_thousand_erased_nothing_is_left_and_of_a_thousand_others_everything
members.RetentionRule | none: days, by purpose
members.RightsRule | none: days and months
brands.ImpactAssessment | none: HQ's document; its numbers are the preview's
brands.ModeChange | none: decisions
brands.ModeDraft | none: decisions to come
brands.ModeFollowUp | none: names of steps and their progress
brands.Notice | none: the group's own words
brands.NoticeDraft | none: the group's own words
brands.NoticeEnding | none: the group's own words
brands.NoticeText | none: the group's own words
brands.Notice_recipients | none: brands that a notice names
brands.SharingRecord | none: a document's number, day and digest
brands.Store | none: names of stores
members.GroupKey | HERE::test_the_app_role_reads_nothing_of_the_owners_own_tables
members.Identity | HERE::test_the_app_role_reads_nothing_of_the_owners_own_tables
members.IdentityLink | HERE::test_the_app_role_reads_nothing_of_the_owners_own_tables
members.KeyRotation | none: versions of keys, and how far a job is
members.OverlapCell | HERE::test_the_app_role_reads_nothing_of_the_owners_own_tables
members.GroupSegment | members/tests/test_segments.py::test_the_groups_segments_are_hqs_and_a_brands_are_its_own
members.GroupStratumRule | none: thresholds that HQ chose
members.PendingRollup | HERE::test_the_app_role_reads_nothing_of_the_owners_own_tables
members.PendingStratum | HERE::test_the_app_role_reads_nothing_of_the_owners_own_tables
members.PendingTotal | HERE::test_the_app_role_reads_nothing_of_the_owners_own_tables
members.Person | HERE::test_the_app_role_reads_nothing_of_the_owners_own_tables
members.RevealRule | none: what HQ asks of who reveals contact data
members.PersonDecision | HERE::test_the_app_role_reads_nothing_of_the_owners_own_tables
members.PersonDecisionSide | HERE::test_the_app_role_reads_nothing_of_the_owners_own_tables
members.PersonUpkeep | none: an instant
members.IdentityRule | none: what kinds of identifiers do
members.StrataState | none: a digest and steps of tens of thousands of members
"""),
    "public table": _rows("""
tenants.ApiToken | tenants/tests/test_tokens.py::test_a_brand_knows_of_its_own_tokens_alone
tenants.AuditCheck | none: results of checks
tenants.AuditEvent | members/tests/test_import_pages.py::test_the_audit_holds_no_contact_data
tenants.AuditHead | none: a count and a digest
tenants.Domain | none: hosts
tenants.Engagement | none: contracts
tenants.Grant | none: staff, who are not members
tenants.Handoff | none: digests of links
tenants.ServiceProvider | none: companies
tenants.Tenant | none: groups
tenants.User | none: staff, who are not members
"""),
    "panel": _rows("""
brands_side_by_side | members/tests/test_panels.py::test_no_period_tells_one_averaged_brands_own_sales
kpis | members/tests/test_panels.py::test_a_brand_in_brand_max_is_left_out_of_the_groups_persons
persons_by_brands | members/tests/test_panels.py::test_a_brand_in_brand_max_is_left_out_of_the_groups_persons
sales_by_day | members/tests/test_panels.py::test_days_of_few_buyers_of_a_brand_max_brand_are_absent_and_counted
strata_of_members | members/tests/test_strata.py::test_the_panel_tells_strata_of_a_brand_in_brand_max_to_nobody_else
stores | URLS::test_every_url_answers_every_role_as_the_table_says
top_members | URLS::test_every_url_answers_every_role_as_the_table_says
"""),
    "mail": {},
    "session": _rows("""
brands/views/places.py:acting | none: the number of a grant
tenants/view_as.py:begin | none: the number of a grant, a role and a place
tenants/views/handoff.py:arrive | none: the number of a grant
"""),
}
